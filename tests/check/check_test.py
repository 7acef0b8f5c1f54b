#!/usr/bin/python3
"""Tests of scripts/check: a clean tree passes, and a planted violation of each rule is found and named.

Every test writes a small tree of its own into a temporary folder; nothing of the real tree is read but the script.
"""
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEAD = "// One thing, said twice. It must not do another.\n"
HEADER = HEAD + "#pragma once\n"
TEST = "// Tests of it.\n"


def load(path):
    """A script without the ending .py, as a module."""
    loader = importlib.machinery.SourceFileLoader(os.path.basename(path), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


CHECK = load(os.path.join(SOURCE_DIR, "scripts/check"))

CLEAN = {
    "core/README.md": "# core\n", "core/base/README.md": "# base\n", "core/async/README.md": "# async\n",
    "core/shard/README.md": "# shard\n", "core/linux/README.md": "# linux\n", "tests/README.md": "# tests\n",
    "net/README.md": "# net\n", "file/README.md": "# file\n", "apps/README.md": "# apps\n",
    "apps/kv/README.md": "# kv\n",
    "core/base/a.hh": HEADER,
    "core/base/detail/a_impl.hh": HEADER,
    "core/async/run_queue.hh": HEADER + '\n#include "../base/a.hh"\n\ninline thread_local int* current = nullptr;\n',
    "core/shard/s.hh": HEADER + '\n#include "../async/run_queue.hh"\n',
    "core/linux/l.hh": HEADER + '\n#include "../shard/s.hh"\n',
    "net/n.hh": HEADER + '\n#include "../core/shard/s.hh"\n',
    "file/f.hh": HEADER + '\n#include "../core/shard/s.hh"\n',
    "apps/kv/main.cc": HEAD + "#include <shale/net/n.hh>\n\nint main() {}\n",
    "tests/core/base/a_test.cc": TEST + "#include <shale/core/base/detail/a_impl.hh>\n",
    "tests/core/async/run_queue_test.cc": TEST, "tests/core/shard/s_test.cc": TEST,
    "tests/core/linux/l_test.cc": TEST, "tests/net/n_test.cc": TEST, "tests/file/f_test.cc": TEST,
}


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="shale-check-")
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", newline="") as file:
            file.write(text)

    def run_check(self, *arguments):
        return subprocess.run(["/usr/bin/python3", os.path.join(SOURCE_DIR, "scripts/check"), "--root", self.root,
                               *arguments], capture_output=True, text=True)

    def findings(self):
        """(path, rule) of each finding; without a process of its own, which would be most of the time."""
        return {(path, rule) for path, _, rule, _ in CHECK.check(self.root)[1]}

    def planted(self, path, text, rule, at=None):
        """The one finding of the tree with this file is `rule`, reported at `path` (or `at`)."""
        self.write(path, text)
        self.assertEqual(self.findings(), {(at or path, rule)})

    def in_base(self, code, rule):
        self.planted("core/base/a.hh", HEADER + "\n" + code, rule)

    def test_accepts_a_clean_tree(self):
        self.assertEqual(self.findings(), set())

    def test_exits_with_one_and_names_file_line_rule_and_remedy(self):
        self.assertEqual(self.run_check().returncode, 0)
        self.write("core/base/a.hh", HEADER + "\nextern volatile int x;\n")
        run = self.run_check("--brief")
        self.assertEqual(run.returncode, 1)
        self.assertIn("core/base/a.hh:4: [volatile] `volatile`: orders nothing between threads; use std::atomic",
                      run.stdout)

    # Layers

    def test_finds_an_upward_include(self):
        self.write("core/base/a.cc", HEAD + '#include "../shard/s.hh"\n')
        self.assertEqual(self.findings(), {("core/base/a.cc", "layer"), ("core/async", "cycle")})

    def test_finds_net_including_file(self):
        self.planted("net/n.cc", HEAD + '#include "../file/f.hh"\n', "layer")

    def test_finds_an_app_including_the_real_side(self):
        self.planted("apps/kv/main.cc", HEAD + "#include <shale/core/linux/l.hh>\n\nint main() {}\n", "layer")

    def test_finds_the_library_including_an_app(self):
        self.write("apps/kv/k.hh", HEADER)
        self.write("net/n.cc", HEAD + '#include "../apps/kv/k.hh"\n')
        self.assertEqual(self.findings(), {("net/n.cc", "layer"), ("apps/kv", "cycle")})

    def test_finds_an_include_of_a_private_header(self):
        self.planted("core/async/run_queue.cc", HEAD + '#include "../base/detail/a_impl.hh"\n', "private")

    def test_lets_a_folder_include_its_own_private_header(self):
        self.write("core/base/a.cc", HEAD + '#include "detail/a_impl.hh"\n')
        self.assertEqual(self.findings(), set())

    def test_finds_a_cycle_of_files(self):
        self.write("core/base/b.hh", HEADER + '\n#include "a.hh"\n')
        self.write("tests/core/base/b_test.cc", TEST)
        self.planted("core/base/a.hh", HEADER + '\n#include "b.hh"\n', "cycle")

    def test_finds_a_cycle_of_folders(self):
        # No file cycle: http/x -> codecs/c, codecs/d -> http/y.
        for name in ("http/x", "http/y", "codecs/c", "codecs/d"):
            self.write(f"net/{name}.hh", HEADER)
            self.write(f"tests/net/{name}_test.cc", TEST)
        self.write("net/codecs/d.hh", HEADER + '\n#include "../http/y.hh"\n')
        self.write("net/http/x.hh", HEADER + '\n#include "../codecs/c.hh"\n')
        self.assertIn(("net/codecs", "cycle"), self.findings())

    def test_finds_a_codec_that_knows_sockets(self):
        self.write("tests/net/codecs/c_test.cc", TEST)
        self.planted("net/codecs/c.hh", HEADER + '\n#include "../n.hh"\n', "layer")

    def test_finds_a_library_include_in_angle_brackets(self):
        self.planted("core/shard/s.cc", HEAD + "#include <shale/core/base/a.hh>\n", "spelling")

    def test_finds_a_quoted_include_of_the_library_from_an_app(self):
        self.planted("apps/kv/main.cc", HEAD + '#include "../../net/n.hh"\n\nint main() {}\n', "spelling")

    def test_finds_an_include_of_nothing(self):
        self.planted("core/base/a.cc", HEAD + '#include "nothing.hh"\n', "spelling")

    def test_finds_a_heavy_standard_header_in_a_public_one(self):
        self.in_base("#include <iostream>\n", "heavy")

    def test_finds_a_public_header_without_test(self):
        self.planted("core/base/b.hh", HEADER, "test")

    def test_finds_a_header_that_pulls_in_too_much(self):
        includes = ""
        for i in range(8):
            self.write(f"core/base/detail/big{i}.hh", HEADER + "// x\n" * 400)
            includes += f'#include "detail/big{i}.hh"\n'
        self.write("core/base/a.hh", HEADER + "\n" + includes)
        self.assertIn(("core/base/a.hh", "closure"), self.findings())

    def test_prints_the_own_lines_of_each_public_header(self):
        self.assertRegex(self.run_check().stdout, r" 12  core/shard/s\.hh")

    # What code may not do

    def test_finds_a_clock(self):
        self.in_base("inline auto now() { return std::chrono::steady_clock::now(); }\n", "clock")

    def test_finds_entropy(self):
        self.in_base("inline auto seed() { return std::random_device{}(); }\n", "entropy")

    def test_finds_a_thread(self):
        self.in_base("struct runner {\n    std::thread thread;\n};\n", "thread")

    def test_finds_a_lock(self):
        self.in_base("struct locked {\n    std::mutex lock;\n};\n", "thread")

    def test_finds_a_blocking_call(self):
        self.in_base("inline int sync(int fd) { return ::fsync(fd); }\n", "blocking")

    def test_finds_a_blocking_stream(self):
        self.in_base("inline std::ifstream in(const char* name) { return std::ifstream(name); }\n", "blocking")

    def test_lets_the_real_side_block_and_read_clocks(self):
        self.write("core/linux/l.cc", HEAD + "int f(int fd) { return ::fsync(fd); }\n"
                   "auto g() { return std::chrono::steady_clock::now(); }\n")
        self.assertEqual(self.findings(), set())

    def test_takes_no_word_in_a_comment_or_literal_for_code(self):
        self.write("core/base/a.hh", HEADER + '\n// std::thread, ::fsync(\n'
                   'const char* const text = "std::mutex \\" ::read(";\n'
                   "const int big = 1'000'000;\n")
        self.assertEqual(self.findings(), set())

    def test_does_not_take_a_member_for_a_system_call(self):
        self.write("core/base/a.hh", HEADER + "\nint file::read(int n) { return shale::open(n); }\n")
        self.assertEqual(self.findings(), set())

    def test_finds_printing_in_the_library(self):
        self.in_base('inline void f() { printf("x"); }\n', "print")

    def test_finds_a_plain_assert(self):
        self.in_base("inline void f(int x) { assert(x); }\n", "assert")

    def test_finds_volatile(self):
        self.in_base("extern volatile int x;\n", "volatile")

    def test_finds_hidden_state(self):
        self.in_base("inline int next() {\n    static int n = 0;\n    return ++n;\n}\n", "static")

    def test_takes_no_static_function_or_constant_for_state(self):
        self.write("core/base/a.hh", HEADER + "\nstatic constexpr int a = 1;\nstruct s {\n    static int f();\n"
                   "    static const int b = 2;\n};\n")
        self.assertEqual(self.findings(), set())

    def test_finds_using_namespace_in_a_header(self):
        self.in_base("using namespace std;\n", "using")

    def test_finds_a_second_thread_local(self):
        self.planted("net/n.cc", HEAD + "thread_local int other = 0;\n", "thread-local")

    def test_finds_that_the_one_thread_local_is_missing(self):
        self.planted("core/async/run_queue.hh", HEADER, "thread-local")

    def test_counts_a_declared_and_defined_thread_local_once(self):
        self.write("core/async/run_queue.hh", HEADER + "\nextern thread_local int* current;\n")
        self.write("core/async/run_queue.cc", HEAD + "thread_local int* current = nullptr;\n")
        self.assertEqual(self.findings(), set())

    def test_finds_an_atomic_operation_without_partner(self):
        self.in_base("inline int f(std::atomic<int>& a) { return a.load(std::memory_order_acquire); }\n", "atomic")

    def test_finds_an_atomic_load_without_order(self):
        self.in_base("inline int f(std::atomic<int>& a) { return a.load(); }\n", "atomic")

    def test_accepts_an_atomic_operation_with_its_partner(self):
        self.write("core/base/a.hh", HEADER + "\ninline int f(std::atomic<int>& a) {\n"
                   "    // Pairs with the release in g().\n"
                   "    return a.load(std::memory_order_acquire);\n}\n")
        self.assertEqual(self.findings(), set())

    def test_lifts_a_rule_for_a_reason(self):
        self.write("core/base/a.cc", HEAD + "// check: allow blocking, the process ends here\n"
                   "int f(int fd) { return ::fsync(fd); }\n")
        self.assertEqual(self.findings(), set())

    def test_lifts_no_rule_without_a_reason(self):
        self.planted("core/base/a.cc", HEAD + "// check: allow blocking\nint f(int fd) { return ::fsync(fd); }\n",
                     "blocking")

    # What GCC 12 gets wrong around co_await

    def in_coroutine(self, statement, rule=None):
        """The finding for this statement in a coroutine is `rule`, or there is none."""
        self.write("core/base/a.cc", HEAD + "future<> f() {\n    " + statement + "\n}\n")
        self.assertEqual(self.findings(), {("core/base/a.cc", rule)} if rule else set(), statement)

    def test_finds_two_awaits_joined(self):
        for statement in ("if (co_await a() && co_await b()) {\n    }",
                          "bool c = co_await a(x, {}) ||\n        !co_await b();",
                          "co_return (co_await a->b<int>(1)).ok() && d(co_await c);",
                          "while (x && co_await a([&] { return b; }) and co_await c()) {\n    }"):
            self.in_coroutine(statement, "await-joined")

    def test_lets_awaits_stand_apart(self):
        for statement in ("if (x && co_await a()) {\n        co_await b();\n    }",
                          "auto&& x = co_await a(); co_await b();",
                          "co_await a(co_await b());",
                          "if (co_await a() == 1) {\n    } else if (x || co_await b()) {\n    }",
                          "int x = co_await a() + co_await b(c && d);"):
            self.in_coroutine(statement)

    def test_finds_a_capture_by_copy_inside_an_await(self):
        for statement in ("co_await f([x] { return x; });", "co_await f(1, g([&, x](int y) { return x; }));",
                          "co_await f([x = std::move(y)] {});", "co_await f([=] {});", "co_await f([*this] {});",
                          "int n = co_await a.b(1).then([this, x] {});", "co_await [x]() -> future<> { co_return; }();",
                          "co_await when_all(\n        [] {}, [&] { return [x] {}; }, [x]<class T>(T) mutable {});"):
            self.in_coroutine(statement, "await-capture")

    def test_lets_captures_by_reference_and_named_lambdas_be(self):
        for statement in ("co_await f([] {});", "co_await f([&] {});", "co_await f([&x, this, &y = z[1]] {});",
                          "auto g = [x] {}; co_await f(std::move(g));", "co_await f(a[x], b()[y], c[z][0]);",
                          "co_await f([&] { return later([x] {}); });", "co_await f() ; g([x] {});",
                          "x = co_await f < [x] { return 1; }();",
                          "[[maybe_unused]] auto x = co_await f();"):
            self.in_coroutine(statement)

    def test_finds_braces_that_may_own_inside_an_await(self):
        for statement in ("co_await f({.name = x});",
                          "co_await f(options{.a = 1, .b = g()});", 'co_await f({"text", 1});',
                          "co_await f(1, {x, y});", "co_await f(std::vector<int>{a, b});", "co_await f({.a = {1, x}});",
                          "auto y = co_await options{std::move(x)};"):
            self.in_coroutine(statement, "await-braces")

    def test_lets_braces_without_owners_be(self):
        for statement in ("co_await f({});", "co_await f({.a = true, .b = 1 << 20, .c = op::read});",
                          "co_await f(int{0});",
                          "co_await submit_io(io_request{.fd = fd, .data = x.data()});",
                          "co_await f({&x, sizeof x, -1});",
                          "co_await f([&] { return g({x, y}); });", "co_await f(options(x));",
                          "const a o{x}; co_await f(o);",
                          "for (auto x : {a, b}) {\n        co_await f(x);\n    }"):
            self.in_coroutine(statement)

    def test_lifts_a_rule_of_awaits_for_a_reason(self):
        self.in_coroutine("// check: allow await-capture, a number\n    co_await f([n] { return n; });")

    # The shape of files

    def test_finds_a_missing_head_comment(self):
        self.planted("core/base/b.cc", "int x();\n", "head")

    def test_finds_a_missing_guard(self):
        self.planted("core/base/a.hh", HEAD, "pragma")

    def test_finds_a_long_line(self):
        self.planted("core/base/a.hh", HEADER + "\n// " + "x" * 120 + "\n", "long-line")

    def test_finds_a_long_file(self):
        self.in_base("// x\n" * 500, "long-file")

    def test_finds_trailing_blanks(self):
        self.planted("core/README.md", "# core \n", "blank")

    def test_finds_a_tab(self):
        self.planted("core/README.md", "a\tb\n", "blank")

    def test_finds_carriage_returns(self):
        self.planted("core/README.md", "# core\r\n", "blank")

    def test_finds_a_missing_last_line_break(self):
        self.planted("core/README.md", "# core", "blank")

    def test_finds_what_is_left_to_do(self):
        self.in_base("// TO" + "DO: more\n", "leftover")

    def test_finds_a_missing_readme(self):
        os.remove(os.path.join(self.root, "core/shard/README.md"))
        self.assertEqual(self.findings(), {("core/shard/README.md", "readme")})

    def test_finds_a_long_readme(self):
        self.planted("core/README.md", "x\n" * 91, "readme")

    def test_finds_a_foreign_python(self):
        self.write("scripts/README.md", "# scripts\n")
        self.planted("scripts/x", "#!/usr/bin/env python3\n", "shebang")

    def test_reports_a_long_function_without_refusing_it(self):
        self.write("core/base/a.cc", HEAD + "namespace shale {\n\nclass a : b {\n    void f() {\n"
                   + "        g();\n" * 75 + "    }\n};\n\n}  // namespace shale\n")
        run = self.run_check()
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertRegex(run.stdout, r" 77  core/base/a\.cc:5")

    @unittest.skipUnless(shutil.which("clang-format-14"), "clang-format 14 is not installed")
    def test_finds_what_clang_format_writes_otherwise_and_fixes_it(self):
        self.write(".clang-format", "BasedOnStyle: Google\nIndentWidth: 4\nColumnLimit: 120\n")
        self.planted("core/base/b.cc", HEAD + "int   f( );\n", "format")
        self.assertEqual(self.run_check("--fix").returncode, 0)
        with open(os.path.join(self.root, "core/base/b.cc")) as file:
            self.assertEqual(file.read(), HEAD + "int f();\n")

    def test_speaks_only_of_the_paths_it_is_given(self):
        self.write("core/base/b.cc", "int x();\n")
        self.assertEqual(self.run_check("net").returncode, 0)
        self.assertEqual(self.run_check("core/base").returncode, 1)


if __name__ == "__main__":
    unittest.main()
