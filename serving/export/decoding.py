"""The bytes of pictures in TensorFlow's graph: their sizes from the headers alone, and their pixels."""

import tensorflow as tf

READ = "JPEG, PNG, WebP or BMP"
HEADER = 30  # bytes that hold the size of a picture in all formats but JPEG


def decode(data: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Bytes () -> RGB (H, W, 3) uint8; of a JPEG, the very pixels that `media.reader` gives."""
    height, width = size_of(data)
    with tf.control_dependencies(refuse_large(height, width, max_pixels)):
        pixels = tf.case(
            [
                # `decode_image` takes the fast transform of JPEG, which is up to 28 levels from the exact one.
                (
                    tf.strings.substr(data, 0, 3) == b"\xff\xd8\xff",
                    lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=True),
                ),
                # TensorFlow drops the transparency of all formats but WebP.
                (
                    tf.strings.substr(data, 0, 4) == b"RIFF",
                    lambda: tf.io.decode_image(data, expand_animations=False)[..., :3],
                ),
            ],
            default=lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
        )
    return tf.ensure_shape(pixels, (None, None, 3))


def refuse_large(height: tf.Tensor, width: tf.Tensor, max_pixels: int) -> list[tf.Operation]:
    """What fails if a picture of this size has more than `max_pixels`: control dependencies of what comes after."""
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    text = f"The picture has too many pixels, the limit being {max_pixels}: it has (width, height)"
    return [tf.debugging.Assert(pixels <= max_pixels, [text, width, height])]


def size_of(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Bytes () of a picture -> its height and width, from the header alone."""
    padded = tf.concat([tf.io.decode_raw(tf.strings.substr(data, 0, HEADER), tf.uint8), tf.zeros(HEADER, tf.uint8)], 0)
    head = tf.cast(padded, tf.int64)

    def number(*places: int) -> tf.Tensor:
        """The bytes at these places, the least significant first."""
        return tf.add_n([head[place] * 256**power for power, place in enumerate(places)])

    def begins(start: int, text: bytes) -> tf.Tensor:
        return tf.reduce_all(head[start : start + len(text)] == list(text))

    def webp() -> tuple[tf.Tensor, tf.Tensor]:
        lossless = number(21, 22, 23, 24)  # two fields of 14 bits
        return tf.case(
            [
                (begins(12, b"VP8X"), lambda: (number(27, 28, 29) + 1, number(24, 25, 26) + 1)),
                (begins(12, b"VP8L"), lambda: (lossless // 2**14 % 2**14 + 1, lossless % 2**14 + 1)),
            ],
            default=lambda: (number(28, 29) % 2**14, number(26, 27) % 2**14),
        )

    def jpeg() -> tuple[tf.Tensor, tf.Tensor]:
        shape = tf.cast(tf.image.extract_jpeg_shape(data), tf.int64)
        return shape[0], shape[1]

    def bmp() -> tuple[tf.Tensor, tf.Tensor]:
        height = number(22, 23, 24, 25)
        # Stored from the top, the height is negative.
        return tf.where(height < 2**31, height, 2**32 - height), number(18, 19, 20, 21)

    is_webp = begins(0, b"RIFF") & begins(8, b"WEBP")
    is_png, is_jpeg, is_bmp = begins(0, b"\x89PNG\r\n\x1a\n"), begins(0, b"\xff\xd8\xff"), begins(0, b"BM")
    known = tf.debugging.Assert(
        is_webp | is_png | is_jpeg | is_bmp,
        [f"The bytes are not a picture: {READ} is needed; bytes", tf.strings.length(data)],
    )
    with tf.control_dependencies([known]):
        height, width = tf.case(
            [(is_jpeg, jpeg), (is_webp, webp), (is_bmp, bmp)],
            default=lambda: (number(23, 22, 21, 20), number(19, 18, 17, 16)),
        )
    return tf.ensure_shape(height, ()), tf.ensure_shape(width, ())
