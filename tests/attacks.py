"""Small files that claim, or unpack to, more than a machine holds."""

import struct
import zipfile
import zlib

BLOCK = 2**24


def png(width, height, rows=b""):
    """A grey PNG that says that it is of that size. rows: its pixels, deflated."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def black(width, height):
    """The deflated rows of a black PNG, made row by row."""
    pack = zlib.compressobj(1)
    rows = [pack.compress(bytes(1 + width)) for _ in range(height)]
    return b"".join([*rows, pack.flush()])


def entries(path, count):
    """A zip that lists so many files, all of them one, and says in its last record that it has a
    single one: `zipfile` believes the list."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"x"
    listed = b"".join(
        struct.pack(
            "<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0
        )
        + b"%07d.png" % number
        for number in range(count)
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(listed), len(local), 0)
    path.write_bytes(local + listed + end)


def claiming(path, members, method=zipfile.ZIP_DEFLATED):
    """A zip. members: name -> (content, how many bytes it says it has, None for the truth)."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, (content, size) in members.items():
            file.writestr(name, content)
            if size is not None:
                file.getinfo(name).file_size = size  # for the list, which is written at the end


def npy(shape, content=b"", version=1, length=None):
    """An npy file of uint8 whose header says that shape. length: that of its header, as it says."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<L", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + content


def deflated_zeros(size, first=b""):
    """Raw deflate of some bytes and then so many zeros: a block of them again and again, which
    refers to nothing before it. A GiB takes 1 MB, and no time."""
    pack = zlib.compressobj(9, wbits=-15)
    packed = pack.compress(first) + pack.flush(zlib.Z_FULL_FLUSH)
    block = pack.compress(bytes(BLOCK)) + pack.flush(zlib.Z_FULL_FLUSH)
    return packed + block * (size // BLOCK) + pack.flush()


def unpacking(path, members, mode="w"):
    """A zip that unpacks to much. members: name -> (raw deflate, how many bytes it says it has)."""
    with zipfile.ZipFile(path, mode) as file:
        for name, (packed, size) in members.items():
            file.writestr(name, packed)
            info = file.getinfo(name)
            info.file_size, info.compress_type = size, zipfile.ZIP_DEFLATED
    return path
