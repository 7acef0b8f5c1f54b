// What a record log should hold: every record appended, in order, with the batch it was in.
#pragma once

#include <shale/file/record_log.hh>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/bytes.hh>

namespace shale::test {

struct model_record {
    std::uint64_t sequence = 0;
    std::uint32_t tag = 0;
    std::string payload;
    log_location where;
    std::uint64_t segment = 0;
    std::uint64_t batch = 0;
    std::uint64_t size = 0;
    friend bool operator==(const model_record& a, const model_record& b) {
        return a.sequence == b.sequence && a.tag == b.tag && a.payload == b.payload;
    }
};

using model_records = std::vector<model_record>;

/// The message of an error.
inline std::string what(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

/// The errno of an error; 0 if it has none.
inline int code(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& e) {
        return e.code().value();
    } catch (...) {
        return 0;
    }
}

/// A payload that can be told from any other, from its sequence and length.
inline std::string payload_of(std::uint64_t sequence, std::size_t length) {
    std::string text = std::to_string(sequence) + ":";
    std::uint64_t state = sequence;
    while (text.size() < length) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        text.push_back(static_cast<char>('!' + (state >> 33) % 90));
    }
    text.resize(length);
    return text;
}

/// Appends and notes where it went; nothing if it was refused.
inline std::expected<model_record, append_refusal> append_one(record_log& log, std::uint64_t sequence,
                                                              std::size_t length, log_append who = log_append::normal) {
    model_record made{sequence, static_cast<std::uint32_t>(sequence * 3), payload_of(sequence, length), {}, 0, 0, 0};
    // In two parts, as a key and its value are.
    const std::string_view all = made.payload;
    const std::span<const std::byte> parts[] = {as_bytes(all.substr(0, length / 3)), as_bytes(all.substr(length / 3))};
    const auto done = log.append(parts, made.sequence, made.tag, who);
    if (!done) {
        return std::unexpected(done.error());
    }
    made.where = done->where;
    made.segment = done->segment;
    made.batch = done->batch;
    made.size = done->size;
    return made;
}

/// The same, waiting for room.
inline future<model_record> append_waiting(record_log& log, std::uint64_t sequence, std::size_t length) {
    while (true) {
        auto made = append_one(log, sequence, length);
        if (made) {
            co_return std::move(*made);
        }
        SHALE_ASSERT(made.error() == append_refusal::busy, "append was refused: {}", to_string(made.error()));
        co_await log.wait_room(length);
    }
}

/// Appends a group of `count` records from `sequence` on, waiting for room; a refusal but for being busy gives nothing.
inline future<model_records> append_group(record_log& log, std::uint64_t sequence, std::size_t count,
                                          std::size_t length) {
    const std::size_t payload = log_group_payload(count, count * length);
    model_records made;
    while (true) {
        const auto begun = log.begin_group(payload);
        if (begun) {
            break;
        }
        if (begun.error() != append_refusal::busy) {
            co_return made;
        }
        const auto room = co_await as_result(log.wait_room(payload));
        if (!room) {
            co_return made;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        auto one = append_one(log, sequence + i, length);
        SHALE_ASSERT(one.has_value(), "record {} of a group was refused: {}", i, to_string(one.error()));
        SHALE_ASSERT(i == 0 || one->batch == made.front().batch, "a group is in two batches");
        made.push_back(std::move(*one));
    }
    log.end_group();
    co_return made;
}

/// A visitor that collects.
inline record_log::visitor collect(model_records& into) {
    return [&into](const log_record& r) {
        into.push_back({r.sequence, r.tag, std::string(as_text(r.payload)), r.where, r.segment, 0, 0});
    };
}

inline void expect_same(const model_records& found, const model_records& wanted) {
    EXPECT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) {
        if (!(found[i] == wanted[i])) {
            ADD_FAILURE() << "record " << i << " has sequence " << found[i].sequence << ", wanted "
                          << wanted[i].sequence;
            return;
        }
    }
}

}  // namespace shale::test
