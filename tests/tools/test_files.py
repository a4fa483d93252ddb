import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.files import FileError, read_bytes, read_text
from tools.texts import fitted, folded

PACKED = gzip.compress(b"x" * 99, mtime=0)
TEXT = "erste Zeile\r\nÚčet č. 5\n"


def written(folder: Path, content: bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["file.csv", "file.csv.gz"])
def test_a_text_is_read_plain_or_gzipped_with_or_without_a_mark(
    tmp_path: Path, mark: bytes, name: str
) -> None:
    content = mark + TEXT.encode()
    packed = gzip.compress(content) if name.endswith(".gz") else content

    assert read_text(written(tmp_path, packed, name)) == TEXT


def test_what_is_gzip_is_unpacked_whatever_its_name(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, gzip.compress(TEXT.encode()))) == TEXT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "Not a gzipped file: it begins with b'hello'; take .gz from its name"),
        (b"", "Not a gzipped file: it is empty"),
        (PACKED[:-9], "cannot be read: Compressed file ended"),
        (PACKED[:10] + b"\xff" * 30, "cannot be read: Error -3 while"),
        (PACKED[:-8] + bytes(8), "cannot be read: CRC check failed"),
    ],
)
def test_what_is_not_whole_gzip_is_told_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(FileError) as failed:
        read_bytes(written(tmp_path, content, "file.csv.gz"))

    assert message in str(failed.value)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "is UTF-16, by its first bytes; save it as UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-32, by its first bytes"),
        ("a\nb".encode("utf-16-le"), "line 1 holds a zero byte, as UTF-16 does"),
        ("a\r\nb\rnájem".encode("latin-1"), "is not UTF-8: line 3 holds the byte 0xE1"),
        (b"\xef\xbb\xbfa\nb\xe1", "is not UTF-8: line 2 holds the byte 0xE1"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_another_encoding_is_told_by_what_was_seen(
    tmp_path: Path, content: bytes, message: str, pack: type[bytes]
) -> None:
    with pytest.raises(FileError) as failed:
        read_text(written(tmp_path, pack(content)))

    assert message in str(failed.value)


def test_bytes_that_are_not_utf_8_can_be_kept_for_who_reads_on(tmp_path: Path) -> None:
    path = written(tmp_path, "nájem".encode("latin-1"))

    assert read_text(path, "surrogateescape") == "n\udce1jem"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.csv cannot be read: No such file"):
        read_text(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Kort\nref 12", "Kort ref 12"),
        ("Kort\tref 12", "Kort ref 12"),
        ("  Kort \r\n\x00\x1b\x85\u2028 ref\xa012 ", "Kort ref 12"),
        (" \n\t", ""),
    ],
)
def test_white_space_and_control_characters_are_one_blank(text: str, line: str) -> None:
    assert folded(text) == line


def test_a_text_that_is_cut_says_how_long_it_was() -> None:
    long = fitted("x" * 600, 500)

    assert (long.text, long.was_cut) == ("x" * 500, True)
    assert long.note("purpose") == "purpose has 600 characters; 500 are kept"


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_fitted_text_is_a_line_that_fits(text: str, longest: int) -> None:
    fit = fitted(text, longest)

    assert len(fit.text) <= longest
    assert fit.text == folded(fit.text)
    assert fit.was_cut == (folded(text) != fit.text)
