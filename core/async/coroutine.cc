// The parts of the coroutines that are no templates.
#include "coroutine.hh"

namespace shale {

namespace detail {

void refuse_coroutine_lambda(std::source_location then_site, std::source_location lambda_site) noexcept {
    SHALE_ASSERT(
        false,
        "the coroutine lambda at {}:{} has captures and was given to then() at {}:{}: its captures would die at its "
        "first suspension. Await the future and call the lambda, or capture nothing.",
        lambda_site.file_name(), lambda_site.line(), then_site.file_name(), then_site.line());
    __builtin_unreachable();
}

}  // namespace detail

future<void> yield(std::source_location site) noexcept {
    class resolver final : public task {
    public:
        explicit resolver(std::source_location where) : task(&run, where) {}
        detail::linked_promise<void> promise;

    private:
        static void run(task& self) noexcept {
            auto& node = static_cast<resolver&>(self);
            node.promise.set_value();
            delete &node;
        }
    };
    auto* node = new resolver(site);
    auto result = detail::future_access::make<void>(node->promise);
    this_run_queue()->schedule(*node);
    return result;
}

}  // namespace shale
