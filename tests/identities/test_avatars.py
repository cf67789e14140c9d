"""Pictures into avatars (identities/avatars.py)."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from identities.avatars import make_avatar
from identities.errors import AvatarNotAnImage, AvatarTooManyPixels
from tests.factories.pictures import decoded, encoded, picture, png_bomb

WHITE, RED, BLACK, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 0), (0, 0, 255)
_FUZZED = encoded(Image.effect_noise((64, 48), 50).convert("RGB"), "JPEG")


def assert_near(found: Any, expected: tuple[int, int, int]) -> None:
    """JPEG is not exact."""
    assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) <= 12, (found, expected)


def on_canvas(size: tuple[int, int], background: Any, box: tuple[int, int, int, int], color: Any) -> Image.Image:
    """A rectangle of one colour on another."""
    image = Image.new("RGB", size, background)
    image.paste(color, box)
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(300, 200), (1, 1), (1, 900), (2000, 1500), (600, 600)])
def test_every_picture_becomes_a_square_jpeg(kind: str, size: tuple[int, int]) -> None:
    made = make_avatar(picture(kind, size))

    assert made.startswith(b"\xff\xd8\xff")
    image = decoded(made)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (600, 600))
    assert_near(image.getpixel((300, 300)), RED)


@pytest.mark.parametrize(
    ("mode", "color", "kind", "expected"),
    [
        ("L", 128, "PNG", (128, 128, 128)),
        ("1", 1, "PNG", WHITE),
        ("LA", (0, 0), "PNG", WHITE),
        ("LA", (0, 255), "PNG", BLACK),
        ("RGBA", (255, 0, 0, 0), "PNG", WHITE),
        ("RGBA", (0, 0, 0, 128), "WEBP", (127, 127, 127)),
        ("P", 0, "GIF", BLACK),
        ("CMYK", (0, 255, 255, 0), "JPEG", RED),
        ("I;16", 65535, "PNG", WHITE),
        ("I;16", 32768, "PNG", (128, 128, 128)),
    ],
)
def test_every_kind_of_pixel_is_set_on_white(mode: str, color: Any, kind: str, expected: tuple[int, int, int]) -> None:
    image = decoded(make_avatar(picture(kind, (50, 50), color, mode=mode)))

    assert_near(image.getpixel((300, 300)), expected)


def test_the_middle_is_cut_out() -> None:
    image = on_canvas((900, 300), BLUE, (300, 0, 600, 300), RED)

    made = decoded(make_avatar(encoded(image)))

    for corner in ((5, 5), (594, 5), (5, 594), (594, 594), (300, 300)):
        assert_near(made.getpixel(corner), RED)


@pytest.mark.parametrize("background", [WHITE, BLACK, (250, 249, 251)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_borders_of_one_colour_are_trimmed(background: Any, kind: str) -> None:
    image = on_canvas((1000, 800), background, (100, 50, 300, 250), RED)

    made = decoded(make_avatar(encoded(image, kind)))

    # A JPEG smears the edge over a block of 16 pixels, which are three times as many here.
    for place in ((60, 60), (540, 60), (60, 540), (540, 540), (300, 300)):
        assert_near(made.getpixel(place), RED)


@pytest.mark.parametrize(
    ("box", "colors"),
    [
        # Letter box: bars above and below.
        ((0, 100, 400, 300), {(300, 20): RED, (300, 580): RED}),
        # Pillar box: bars at both sides.
        ((100, 0, 300, 400), {(20, 300): RED, (580, 300): RED}),
        # A flag.
        ((0, 200, 400, 400), {(300, 100): BLUE, (300, 500): RED}),
        ((0, 0, 200, 400), {(100, 300): RED, (500, 300): BLUE}),
        # In a corner.
        ((0, 0, 100, 100), {(75, 75): RED, (400, 400): BLUE}),
    ],
)
def test_bars_come_in_pairs(box: tuple[int, int, int, int], colors: dict[tuple[int, int], Any]) -> None:
    made = decoded(make_avatar(encoded(on_canvas((400, 400), BLUE, box, RED))))

    for place, color in colors.items():
        assert_near(made.getpixel(place), color)


def test_a_transparent_border_is_a_border() -> None:
    image = Image.new("RGBA", (400, 400), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (150, 150, 250, 250))

    made = decoded(make_avatar(encoded(image)))

    assert_near(made.getpixel((10, 10)), RED)


def test_pictures_stand_upright() -> None:
    image = on_canvas((200, 200), RED, (0, 0, 200, 100), BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = encoded(image, "JPEG", exif=exif, quality=95)

    made = decoded(make_avatar(turned))

    assert_near(made.getpixel((500, 300)), BLUE)
    assert_near(made.getpixel((100, 300)), RED)


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    content = encoded(Image.new("RGB", (80, 80), "red"), "JPEG", exif=exif, comment=b"secret place")
    assert b"taken at home" in content
    assert b"secret place" in content

    made = make_avatar(content)

    assert b"taken at home" not in made
    assert b"secret place" not in made
    assert b"Exif" not in made


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (50, 50), color) for color in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])

        assert_near(decoded(make_avatar(content)).getpixel((300, 300)), RED)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 1000,
        b"GIF89a",
        b"\xff\xd8\xff\xe0",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>",
        b"%PDF-1.4",
        b"<html>",
        picture("BMP"),
        picture("TIFF"),
        picture("ICO", (32, 32)),
        picture("PNG")[:60],
        picture("JPEG", (400, 400))[:300],
        picture("WEBP")[:40],
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    ],
    ids=range(14),
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(AvatarNotAnImage):
        make_avatar(content)


@given(position=st.integers(0, len(_FUZZED) - 1), value=st.integers(0, 255), cut=st.integers(1, len(_FUZZED)))
@settings(deadline=None, max_examples=200)
def test_damage_is_refused_or_shown_and_nothing_else(position: int, value: int, cut: int) -> None:
    damaged = bytearray(_FUZZED)
    damaged[position] = value

    try:
        made = make_avatar(bytes(damaged[:cut]))
    except (AvatarNotAnImage, AvatarTooManyPixels):
        return
    assert decoded(made).size == (600, 600)


@pytest.mark.parametrize(("width", "height"), [(5001, 5000), (30_000, 30_000), (2**31 - 1, 1), (65_000, 1400)])
def test_too_many_pixels_are_refused_before_they_are_decoded(width: int, height: int) -> None:
    content = png_bomb(width, height)
    assert len(content) < 10_000
    tracemalloc.start()
    started = time.process_time()

    with pytest.raises(AvatarTooManyPixels):
        make_avatar(content)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - started < 1
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("kind", "size", "megapixels"),
    [("JPEG", (5001, 5000), 25), ("GIF", (5001, 5000), 25), ("PNG", (5001, 5000), 25), ("WEBP", (2501, 4000), 10)],
)
def test_every_format_has_its_limit(kind: str, size: tuple[int, int], megapixels: int) -> None:
    with pytest.raises(AvatarTooManyPixels, match=f"more than {megapixels} megapixels"):
        make_avatar(picture(kind, size, 0, mode="RGB" if kind == "WEBP" else "L"))
    assert decoded(make_avatar(picture(kind, (size[0] - 1, size[1]), 0, mode="L"))).size == (600, 600)


def test_the_largest_picture_takes_seconds_at_most() -> None:
    content = picture("PNG", (5000, 5000), (255, 0, 0, 128), mode="RGBA")
    started = time.process_time()

    made = make_avatar(content)

    assert time.process_time() - started < 10
    assert_near(decoded(made).getpixel((300, 300)), (255, 127, 127))


def test_progressive_pictures_are_fine_and_endless_passes_are_not() -> None:
    content = encoded(Image.effect_noise((200, 200), 40).convert("RGB"), "JPEG", progressive=True)
    assert 2 < content.count(b"\xff\xda") <= 100
    first_scan = content.index(b"\xff\xda")
    second_scan = content.index(b"\xff\xda", first_scan + 2)
    endless = content[:second_scan] + content[first_scan:second_scan] * 200 + content[second_scan:]

    assert decoded(make_avatar(content)).size == (600, 600)
    with pytest.raises(AvatarNotAnImage):
        make_avatar(endless)
