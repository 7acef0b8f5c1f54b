// Streams over sources and sinks made of memory, in pieces of every size.
#include <shale/core/base/random.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/stream.hh>
#include <shale/core/testing/testing.hh>

#include <algorithm>
#include <string>
#include <vector>

using namespace shale;

namespace {

/// Gives a text in pieces of the sizes asked for, the last size again and again.
class pieces final : public data_source_impl {
public:
    pieces(std::string text, std::vector<std::size_t> sizes) : text_(std::move(text)), sizes_(std::move(sizes)) {}

    future<temporary_buffer<char>> get() override {
        if (next_ % 2 == 1) {
            co_await yield_now();
        }
        const std::size_t wanted = sizes_[std::min(next_++, sizes_.size() - 1)];
        const std::size_t size = std::min(wanted, text_.size() - at_);
        at_ += size;
        co_return temporary_buffer<char>(text_.data() + at_ - size, size);
    }

private:
    std::string text_;
    std::vector<std::size_t> sizes_;
    std::size_t next_ = 0;
    std::size_t at_ = 0;
};

struct collected {
    std::string text;
    std::vector<std::size_t> pieces;
    int puts = 0;
    int flushes = 0;
    bool closed = false;
    bool fail = false;
};

class collector final : public data_sink_impl {
public:
    explicit collector(collected& to) : to_(to) {}
    future<void> put(std::vector<temporary_buffer<char>> data) override {
        ++to_.puts;
        co_await yield_now();
        if (to_.fail) {
            throw std::runtime_error("no room");
        }
        for (auto& each : data) {
            to_.pieces.push_back(each.size());
            to_.text += each.view();
        }
    }
    future<void> flush() override {
        ++to_.flushes;
        return make_ready_future<void>();
    }
    future<void> close() override {
        to_.closed = true;
        return make_ready_future<void>();
    }

private:
    collected& to_;
};

input_stream<char> from(std::string text, std::vector<std::size_t> sizes) {
    return input_stream<char>(data_source(std::make_unique<pieces>(std::move(text), std::move(sizes))));
}
output_stream<char> into(collected& to, std::size_t buffer_size) {
    return output_stream<char>(data_sink(std::make_unique<collector>(to)), buffer_size);
}

}  // namespace

SHALE_TEST(input_stream, read_gives_what_comes_and_then_the_end_for_ever) {
    auto in = from("hello world", {6, 5});
    auto first = co_await in.read();
    auto second = co_await in.read();
    EXPECT_EQ(first.view(), "hello ");
    EXPECT_EQ(second.view(), "world");
    EXPECT_FALSE(in.eof());
    for (int i = 0; i < 2; ++i) {
        auto end = co_await in.read();
        EXPECT_TRUE(end.empty());
        EXPECT_TRUE(in.eof());
    }
}

SHALE_TEST(input_stream, read_exactly_gives_one_piece_however_the_bytes_come) {
    for (std::size_t size : {1U, 2U, 3U, 5U, 7U, 100U}) {
        auto in = from("0123456789abcdef", {size});
        auto a = co_await in.read_exactly(3);
        auto b = co_await in.read_exactly(5);
        auto none = co_await in.read_exactly(0);
        auto c = co_await in.read_exactly(6);
        auto rest = co_await in.read_exactly(10);
        EXPECT_EQ(a.view(), "012");
        EXPECT_EQ(b.view(), "34567");
        EXPECT_TRUE(none.empty());
        EXPECT_EQ(c.view(), "89abcd");
        EXPECT_EQ(rest.view(), "ef") << "fewer at the end";
        EXPECT_TRUE(in.eof());
    }
}

SHALE_TEST(input_stream, read_up_to_leaves_the_rest) {
    auto in = from("0123456789", {6});
    auto a = co_await in.read_up_to(4);
    auto b = co_await in.read_up_to(4);
    auto c = co_await in.read_up_to(100);
    EXPECT_EQ(a.view(), "0123");
    EXPECT_EQ(b.view(), "45");
    EXPECT_EQ(c.view(), "6789");
}

SHALE_TEST(input_stream, skip_passes_over_pieces_and_ends_at_the_end) {
    auto in = from("0123456789", {3});
    auto a = co_await in.read_up_to(1);
    co_await in.skip(1);
    co_await in.skip(6);
    auto b = co_await in.read();
    EXPECT_EQ(a.view(), "0");
    EXPECT_EQ(b.view(), "8");
    co_await in.skip(1000);
    auto end = co_await in.read();
    EXPECT_TRUE(end.empty());
}

SHALE_TEST(input_stream, consumer_may_go_on_skip_and_stop_with_a_rest) {
    auto in = from("aaaabbbbccccdddd", {4});
    std::string seen;
    co_await in.consume([&seen](temporary_buffer<char> data) -> future<consumption_result<char>> {
        co_await yield_now();
        if (data[0] == 'a') {
            seen += data.view();
            co_return continue_consuming();
        }
        if (data[0] == 'b') {
            co_return skip_bytes(4);
        }
        seen += data.share(0, 1).view();
        data.trim_front(1);
        co_return stop_consuming<char>(std::move(data));
    });
    EXPECT_EQ(seen, "aaaad");
    auto rest = co_await in.read();
    EXPECT_EQ(rest.view(), "ddd");
}

SHALE_TEST(input_stream, consumer_is_told_the_end) {
    auto in = from("xy", {1});
    int calls = 0;
    co_await in.consume([&calls](temporary_buffer<char> data) -> consumption_result<char> {
        ++calls;
        EXPECT_EQ(data.empty(), calls == 3);
        return continue_consuming();
    });
    EXPECT_EQ(calls, 3);
}

SHALE_TEST(output_stream, small_writes_go_together) {
    collected got;
    auto out = into(got, 16);
    co_await out.write("abc");
    co_await out.write(std::string("def"));
    EXPECT_EQ(got.puts, 0);
    co_await out.flush();
    EXPECT_EQ(got.puts, 1);
    EXPECT_EQ(got.text, "abcdef");
    EXPECT_EQ(got.flushes, 1);
    co_await out.close();
    EXPECT_TRUE(got.closed);
}

SHALE_TEST(output_stream, order_is_kept_between_copies_and_whole_buffers_of_all_sizes) {
    random_engine random(7);
    for (std::size_t buffer_size : {1U, 16U, 1000U, 8192U}) {
        collected got;
        std::string expected;
        auto out = into(got, buffer_size);
        for (int i = 0; i < 300; ++i) {
            const std::size_t size = random.below(i % 10 == 0 ? 3000 : 40);
            const std::string piece(size, static_cast<char>('a' + i % 26));
            expected += piece;
            if (random.below(2) == 0) {
                co_await out.write(piece);
            } else {
                co_await out.write(temporary_buffer<char>::copy_of(piece));
            }
            if (random.below(20) == 0) {
                co_await out.flush();
                EXPECT_EQ(got.text.size(), expected.size());
            }
        }
        co_await out.close();
        EXPECT_TRUE(got.text == expected);
        EXPECT_EQ(std::ranges::count(got.pieces, 0U), 0);
    }
}

SHALE_TEST(output_stream, large_buffer_is_not_copied) {
    collected got;
    auto out = into(got, 1024);
    auto data = temporary_buffer<char>::copy_of(std::string(5000, 'x'));
    co_await out.write("head");
    co_await out.write(std::move(data));
    EXPECT_EQ(got.pieces, (std::vector<std::size_t>{4, 5000}));
    co_await out.close();
}

SHALE_TEST(output_stream, failure_of_the_sink_reaches_the_writer_once_and_close_still_closes) {
    collected got;
    got.fail = true;
    auto out = into(got, 16);
    auto written = co_await as_result(out.write(std::string(100, 'x')));
    EXPECT_FALSE(written.has_value());
    auto again = co_await as_result(out.write(std::string(100, 'x')));
    EXPECT_FALSE(again.has_value());
    EXPECT_EQ(got.puts, 1);
    co_await out.close();
    EXPECT_TRUE(got.closed);
}

SHALE_TEST(output_stream, failure_of_the_last_flush_is_closes_own) {
    collected got;
    got.fail = true;
    auto out = into(got, 16);
    co_await out.write("x");
    auto closed = co_await as_result(out.close());
    EXPECT_FALSE(closed.has_value());
    EXPECT_TRUE(got.closed);
}

SHALE_TEST(stream, copy_carries_everything) {
    std::string text;
    for (int i = 0; i < 5000; ++i) {
        text += std::to_string(i);
    }
    collected got;
    auto in = from(text, {1, 600, 3, 8000});
    auto out = into(got, 4096);
    co_await copy(in, out);
    co_await out.close();
    EXPECT_TRUE(got.text == text);
}

TEST(output_stream_death, destruction_with_unsent_bytes_is_refused) {
    EXPECT_DEATH(shale::test::run({},
                                  []() -> future<void> {
                                      collected got;
                                      auto out = into(got, 16);
                                      co_await out.write("x");
                                  }),
                 "1 bytes unsent");
}
