// Every core leaves a note on the disk, durably, and reads it back; the first one prints them.
#include <fmt/core.h>

#include <shale/core/core.hh>
#include <shale/file/file.hh>

using namespace shale;

future<std::string> leave_note() {
    const std::string name = fmt::format("note-{}", this_shard_id());
    const std::string text = fmt::format("shard {} was here", this_shard_id());
    file note = co_await open_file_dma(name, open_flags::rw | open_flags::create | open_flags::truncate);
    co_await note.dma_write(0, text.data(), text.size(), {.dsync = true});
    const temporary_buffer<char> found = co_await note.dma_read<char>(0, 4096);
    co_await note.close();
    co_return std::string(found.get(), found.size());
}

int main(int argc, char** argv) {
    app_template app({.name = "notes"});
    return app.run(argc, argv, []() -> future<> {
        for (unsigned shard = 0; shard < smp::shard_count(); ++shard) {
            fmt::print("{}\n", co_await smp::submit_to(shard, leave_note));
        }
    });
}
