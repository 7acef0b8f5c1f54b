// Fibers by ucontext for the first entry and _setjmp for every later switch, which spares the system calls that
// swapcontext makes to save the signal mask. AddressSanitizer is told of each switch.
#include "fiber.hh"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdint>

#ifdef SHALE_MODEL_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace shale::model {

namespace {

constexpr std::size_t stack_bytes = 256 * 1024;

#ifdef SHALE_MODEL_ASAN
void forget_stack(void* stack) {
    ASAN_UNPOISON_MEMORY_REGION(stack, stack_bytes);
}
void leave_for(const void* stack, std::size_t size) {
    // No fake stack: executions are abandoned in the middle.
    __sanitizer_start_switch_fiber(nullptr, stack, size);
}
void arrived(const void** old_stack, std::size_t* old_size) {
    __sanitizer_finish_switch_fiber(nullptr, old_stack, old_size);
}
#else
void forget_stack(void*) {}
void leave_for(const void*, std::size_t) {}
void arrived(const void**, std::size_t*) {}
#endif

}  // namespace

struct fiber::state {
    std::unique_ptr<char[]> stack;
    const void* known_stack = nullptr;  ///< the thread's own stack is learnt when it is left
    std::size_t known_size = stack_bytes;
    ucontext_t context;
    jmp_buf point;
    bool fresh = false;
    void (*entry)(void*) = nullptr;
    void* argument = nullptr;
    fiber* came_from = nullptr;

    static void start(unsigned high, unsigned low) {
        auto* self = reinterpret_cast<state*>((std::uintptr_t{high} << 32) | low);
        arrived(&self->came_from->state_->known_stack, &self->came_from->state_->known_size);
        self->entry(self->argument);
        __builtin_trap();
    }
};

fiber::fiber() : state_(std::make_unique<state>()) {}
fiber::~fiber() = default;

void fiber::prepare(void (*entry)(void*), void* argument) {
    state& s = *state_;
    if (!s.stack) {
        s.stack.reset(new char[stack_bytes]);
        s.known_stack = s.stack.get();
    }
    forget_stack(s.stack.get());
    s.entry = entry;
    s.argument = argument;
    s.fresh = true;
    getcontext(&s.context);
    s.context.uc_stack.ss_sp = s.stack.get();
    s.context.uc_stack.ss_size = stack_bytes;
    s.context.uc_link = nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(&s);
    makecontext(&s.context, reinterpret_cast<void (*)()>(&state::start), 2, static_cast<unsigned>(address >> 32),
                static_cast<unsigned>(address));
}

void fiber::jump(fiber& from, fiber& to) {
    state& target = *to.state_;
    target.came_from = &from;
    if (_setjmp(from.state_->point) == 0) {
        leave_for(target.known_stack, target.known_size);
        if (target.fresh) {
            target.fresh = false;
            setcontext(&target.context);
        }
        _longjmp(target.point, 1);
    }
    state& previous = *from.state_->came_from->state_;
    arrived(&previous.known_stack, &previous.known_size);
}

}  // namespace shale::model
