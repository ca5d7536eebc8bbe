"""Colorizing files with a server: each photograph is sent by gRPC, and everything else is done as in `pipeline.py`.

A thread takes a photograph all the way, page by page: read, send, wait, write. While some wait for the server, others
decode and encode.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from media.photograph import eight_bits
from media.provenance import Mark
from media.reader import MAX_PIXELS, PhotographFile
from serving.client import (
    ColorizeClient,
    ModelNotFoundError,
    ServerFailedError,
    ServerUnavailableError,
    ServingClientError,
    SignatureError,
)
from serving.local import pipeline
from serving.local.index import Journal, stamp_of
from serving.local.pixel_budget import PixelBudget
from serving.local.tasks import (
    Destination,
    FileResult,
    FileTask,
    Finish,
    ResultFile,
    carry_out,
    chosen_pages,
    describe,
    failure,
    refuse_existing,
)
from zoo.errors import PhotographError

# Errors of the server or the model, not of one photograph.
CONCERNS_ALL = (ServerUnavailableError, ModelNotFoundError, SignatureError)

MAX_MESSAGE = 1 << 30  # bytes: room for the 180 megapixels of a photograph as PNG, gray or color

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear sRGB, and near enough for a rounding error


def colorize_remotely(
    tasks: Sequence[FileTask],
    output: str | os.PathLike[str],
    client: ColorizeClient,
    *,
    concurrency: int = 4,
    quality: int = 95,
    overwrite: bool = False,
    mark: Mark | None = None,
    keep_times: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[FileResult], object] | None = None,
) -> list[FileResult]:
    """Colorize the tasks of `serving.local.search.find` into the folder `output`, as `pipeline.colorize_files` does.

    Whatever goes wrong with one file is its result. Results that exist and were made from the very photograph are
    skipped unless `overwrite`, so that a run that ended early can be repeated.

    Args:
        client: Closed here if the run ends early, so that no call keeps waiting for an answer.
        concurrency: Maximum number of photographs that the server has at a time.
        quality: 1 to 100, of JPEG and WebP.
        mark: What results and sheets say about how they were made; nothing by default.
        keep_times: Whether results get the times of the last access and the last change of their originals.
        max_pixels: Largest width x height of a photograph; larger ones are not decoded.
        progress: Called in this thread with each result, as it comes.

    Returns:
        One result per task, in their order.

    Raises:
        ServerUnavailableError, ModelNotFoundError, SignatureError: no photograph can be colorized, or no further one.
            What is finished stays, and nothing partial is left.
    """
    output = Path(output)
    with Journal(output) as journal:
        destination = Destination(output, journal, quality, overwrite, mark, keep_times)
        return carry_out(
            tasks,
            destination,
            lambda rest, finish: _send(rest, destination, client, concurrency, max_pixels, finish),
            progress,
        )


def _send(
    tasks: Sequence[tuple[int, FileTask]],
    destination: Destination,
    client: ColorizeClient,
    concurrency: int,
    max_pixels: int,
    finish: Finish,
) -> None:
    """Colorize tasks that are not settled; `finish` is called with the number and the result of each."""
    budget = PixelBudget(pipeline.PIXELS_IN_FLIGHT)

    def colorize(task: FileTask) -> FileResult:
        cost = 0
        start = perf_counter()
        try:
            refuse_existing(task, destination)
            stamp = stamp_of(task.source)
            with PhotographFile(task.source, max_pixels=max_pixels) as file:
                pages = chosen_pages(task, file)
                with closing(ResultFile(task, destination, file, len(pages))) as made:
                    for page in pages:
                        budget.give_back(cost)
                        cost = 0
                        file.turn_to(page)
                        before = perf_counter()
                        cost = budget.take(file.width * file.height)
                        start += perf_counter() - before
                        photograph = file.read()
                        made.add(photograph, _colorize(photograph.pixels, client))
                    result = made.finish(describe(task, stamp))
        except CONCERNS_ALL:
            raise
        except ServingClientError as error:
            result = FileResult(task.source, destination.output / task.output, "failed", str(error))
        except Exception as error:  # of one file; the others go on
            result = failure(task, destination.output, error)
        finally:
            budget.give_back(cost)
        return replace(result, seconds=perf_counter() - start)

    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="remote")
    waiting, sent = iter(tasks), dict[Future[FileResult], int]()
    try:
        while True:
            for index, task in islice(waiting, 2 * concurrency - len(sent)):
                sent[pool.submit(colorize, task)] = index
            if not sent:
                break
            for future in wait(sent, return_when=FIRST_COMPLETED).done:
                finish(sent.pop(future), future.result())
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        budget.close()
        client.close()
        raise
    finally:
        pool.shutdown()


def _colorize(pixels: np.ndarray, client: ColorizeClient) -> np.ndarray:
    """Gray (H, W) or sRGB (H, W, 3), uint8 or uint16 -> sRGB (H, W, 3) of the same dtype.

    The server sees 8 bits. What these leave out of 16 is a difference in brightness, and is added to its colors.
    """
    sent = eight_bits(pixels)
    answer = _decode(client.colorize(_png(sent)), sent.shape[:2])
    if pixels.dtype == np.uint8:
        return answer
    left_out = pixels - sent.astype(np.int32) * 257
    if left_out.ndim == 3:
        left_out = np.rint(left_out.astype(np.float32) @ LUMINANCE).astype(np.int32)
    deep = answer.astype(np.int32) * 257 + left_out[..., None]
    return deep.clip(0, 65535).astype(np.uint16)


def _png(pixels: np.ndarray) -> bytes:
    """Gray (H, W) or sRGB (H, W, 3) uint8 as PNG, weakly compressed: encoding should not take longer than sending."""
    done, data = cv2.imencode(
        ".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise PhotographError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be encoded as PNG")
    return bytes(data)


def _decode(answer: bytes, size: tuple[int, ...]) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(answer, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape[:2] != size:
        raise ServerFailedError(
            f"the server answered with something other than a picture of {size[1]} x {size[0]} pixels"
        )
    return np.asarray(picture[..., ::-1])
