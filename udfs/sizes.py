"""How large batches and buffers should be, and how many threads should fill them.

Must not import: pyspark, torch, transformers.

Small batches stay in a CPU's cache, large ones fill a GPU, whose tensor cores take eights. Where
windows are padded, a buffer is many batches, since its windows are sorted by length; where they lie
end to end, it is a few packs, and the first of all is soon there.
`spark_entities.jobs.benchmark sweep` measures the budgets, `tests.gpu.bare` what feeds a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What suits a device, and a layout of windows."""

    max_padded_tokens: int  # of a batch
    buffer_chars: int
    batch_cost_tokens: int = 0  # what a batch costs beside its tokens
    width_multiple: int = 1
    first_share: int = 1  # the first buffer is one part of so many
    encoders: int = 1  # threads that encode; another gives a device its work, another decodes


_PADDED = {
    "cpu": Sizes(max_padded_tokens=1024, buffer_chars=1 << 18, batch_cost_tokens=32),
    "cuda": Sizes(
        max_padded_tokens=32_768,
        buffer_chars=1 << 20,
        batch_cost_tokens=1024,
        width_multiple=8,
        encoders=2,
    ),
}
_PACKED = Sizes(max_padded_tokens=65_536, buffer_chars=1 << 19, first_share=8, encoders=2)


def sizes_for(device_type: str, *, packs: bool) -> Sizes:
    """Return the sizes that suit a device; those of a GPU for a kind that was never measured."""
    return _PACKED if packs else _PADDED.get(device_type, _PADDED["cuda"])
