"""What the hardening flags leave in the programs, read from their ELF files: cmake/Hardening.cmake asks for it.

A sanitizer's build is not hardened, and tests/run leaves this file out there.
"""
import json
import pathlib
import re
import struct

import pytest

from harness import BIN

pytestmark = pytest.mark.full_speed

PROGRAMS = ["sluice", "sluice-worker", "sluice-localaws"]

PT_LOAD, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
DT_NEEDED, DT_STRTAB, DT_SYMTAB, DT_RPATH, DT_TEXTREL, DT_RUNPATH, DT_FLAGS, DT_FLAGS_1 = 1, 5, 6, 15, 22, 29, 30, 0x6FFFFFFB
DF_TEXTREL, DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 4, 8, 1, 0x08000000
SHT_SYMTAB, SHT_DYNSYM = 2, 11
X, W = 1, 2
ET_DYN, EM_X86_64, EM_AARCH64 = 3, 62, 183


class Elf:
    """As much of a 64-bit little-endian ELF file as these tests ask about."""

    def __init__(self, path):
        self.data = pathlib.Path(path).read_bytes()
        assert self.data[:6] == b"\x7fELF\x02\x01", f"{path}: want a 64-bit little-endian ELF file"
        self.type, self.machine = struct.unpack_from("<HH", self.data, 16)
        _, phoff, shoff = struct.unpack_from("<QQQ", self.data, 24)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<HHHHH", self.data, 54)
        names = ("type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align")
        self.segments = [dict(zip(names, struct.unpack_from("<IIQQQQQQ", self.data, phoff + i * phentsize)))
                         for i in range(phnum)]
        names = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize")
        self.sections = [dict(zip(names, struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + i * shentsize)))
                         for i in range(shnum)]
        strings = self.sections[shstrndx]
        for section in self.sections:
            section["name"] = self.text_at(strings["offset"] + section["name"])

    def text_at(self, offset):
        return self.data[offset:self.data.index(b"\0", offset)].decode()

    def of_type(self, kind):
        return [segment for segment in self.segments if segment["type"] == kind]

    def section(self, name):
        found = [section for section in self.sections if section["name"] == name]
        return self.data[found[0]["offset"]:found[0]["offset"] + found[0]["size"]] if found else b""

    def dynamic(self):
        """All values by tag."""
        values = {}
        segment = self.of_type(PT_DYNAMIC)[0]
        for offset in range(segment["offset"], segment["offset"] + segment["filesz"], 16):
            tag, value = struct.unpack_from("<QQ", self.data, offset)
            if tag == 0:
                break
            values.setdefault(tag, []).append(value)
        return values

    def symbols(self, kind):
        """(name, section index, address) of each."""
        for section in self.sections:
            if section["type"] != kind:
                continue
            strings = self.sections[section["link"]]["offset"]
            for offset in range(section["offset"], section["offset"] + section["size"], 24):
                name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", self.data, offset)
                yield self.text_at(strings + name), index, value

    def imports(self):
        return {name.split("@")[0] for name, index, _ in self.symbols(SHT_DYNSYM) if index == 0 and name}

    def code_at(self, address, count):
        for segment in self.of_type(PT_LOAD):
            if segment["vaddr"] <= address < segment["vaddr"] + segment["filesz"]:
                start = segment["offset"] + address - segment["vaddr"]
                return self.data[start:start + count]
        raise AssertionError(f"nothing is loaded at {address:#x}")


@pytest.fixture(params=PROGRAMS)
def elf(request):
    return Elf(BIN / request.param)


def test_code_is_position_independent(elf):
    assert elf.type == ET_DYN
    assert elf.dynamic().get(DT_FLAGS_1, [0])[0] & DF_1_PIE


def test_relocations_are_read_only_once_the_program_runs(elf):
    assert len(elf.of_type(PT_GNU_RELRO)) == 1
    dynamic = elf.dynamic()
    assert dynamic.get(DT_FLAGS, [0])[0] & DF_BIND_NOW or dynamic.get(DT_FLAGS_1, [0])[0] & DF_1_NOW
    assert DT_TEXTREL not in dynamic and not dynamic.get(DT_FLAGS, [0])[0] & DF_TEXTREL


def test_no_memory_is_both_writable_and_executable(elf):
    stacks = elf.of_type(PT_GNU_STACK)
    assert len(stacks) == 1 and not stacks[0]["flags"] & X
    loads = elf.of_type(PT_LOAD)
    assert loads and not [segment for segment in loads if segment["flags"] & W and segment["flags"] & X]


def test_libraries_are_looked_for_where_the_system_has_them(elf):
    dynamic = elf.dynamic()
    assert DT_RPATH not in dynamic and DT_RUNPATH not in dynamic


def test_stacks_have_canaries(elf):
    assert "__stack_chk_fail" in elf.imports()


def test_copies_are_checked(elf):
    """Where the C library has functions that check; musl has none, and its loader says who it is."""
    if b"ld-musl" not in elf.section(".interp"):
        checked = {name for name in elf.imports() if re.fullmatch(r"__\w+_chk", name)} - {"__stack_chk_fail"}
        assert {"__snprintf_chk", "__memcpy_chk"} & checked or "__vsnprintf_chk" in checked, checked


def test_control_flow_is_marked(elf):
    """Each function that a pointer may reach begins with a landing pad, where the processor has such."""
    main = [value for name, index, value in elf.symbols(SHT_SYMTAB) if name == "main" and index != 0]
    assert len(main) == 1
    if elf.machine == EM_X86_64:
        assert elf.code_at(main[0], 4) == b"\xf3\x0f\x1e\xfa"  # endbr64
    elif elf.machine == EM_AARCH64:
        assert elf.code_at(main[0], 4) in (b"\x3f\x23\x03\xd5", b"\x5f\x24\x03\xd5")  # paciasp, bti c


def test_stacks_are_probed_page_by_page(elf):
    if elf.machine == EM_X86_64:
        text = elf.section(".text")  # as gcc does it: orq $0, (%rsp); as clang does: movq $0, (%rsp)
        assert b"\x48\x83\x0c\x24\x00" in text or b"\x48\xc7\x04\x24\x00\x00\x00\x00" in text


def test_every_file_of_ours_is_compiled_with_the_flags():
    """What leaves no trace of its own in a file: FORTIFY's level, and that no folder is left out."""
    commands = json.loads((BIN.parent / "compile_commands.json").read_text())
    ours = [entry for entry in commands if re.search(r"/(base|aws|policies|worker|supervisor|localaws)/[^/]+\.c$", entry["file"])]
    assert len(ours) > 100
    cache = (BIN.parent / "CMakeCache.txt").read_text()
    level = 3 if re.search(r"^SLUICE_HAVE_FORTIFY_3:INTERNAL=1$", cache, re.MULTILINE) else 2
    for entry in ours:
        words = entry["command"].split()
        assert f"-D_FORTIFY_SOURCE={level}" in words and "-fstack-protector-strong" in words, entry
        assert "-fPIE" in words, entry
        for flag in ("-fstack-clash-protection", "-fcf-protection=full", "-mbranch-protection=standard"):
            have = "SLUICE_HAVE" + re.sub(r"[^0-9A-Za-z_]", "_", flag)
            assert (flag in words) == bool(re.search(rf"^{have}:INTERNAL=1$", cache, re.MULTILINE)), (flag, entry)
