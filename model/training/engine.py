"""Where and in which number format a training runs: one CPU, one GPU or several.

Lightning Fabric places the network, scales and gathers, and starts the other processes. It was
chosen over Accelerate because it adds a handful of calls to a plain loop, needs no configuration
file and leaves the loop, the checkpoints and the events to us.
Nothing here knows shots or labels.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import psutil
import torch
from torch import Tensor, nn

from model.errors import InputError, counted
from model.training.process_group import Peers, loopback_strategy

Format = Literal["32", "bf16"]
_THREADS = 2
_TRIAL_SHOTS, _TRIALS = 8, 4
_MEMORY_SHARE = 0.6
"""Of the memory that is free, for what backpropagation keeps of a batch."""
_TRANSIENT = 1.5
"""How much more than that a step takes at its peak, for gradients and scratch space."""
_IN_WORDS: dict[Format, str] = {"32": "32 bit", "bf16": "bf16"}


@dataclass
class Engine:
    """A started Fabric with the number format that the network is run in."""

    fabric: Any
    number_format: Format = "32"
    parts: int = 1
    """Parts in which a batch goes through the network, for want of memory."""
    peers: Peers | None = None
    """Who looks after the other processes; None where there are none."""

    @classmethod
    def start(
        cls, devices: str | int | None = None, lost: Callable[[], None] = lambda: None
    ) -> Engine:
        """On the GPU where there is one, else the CPU; `devices` is how many of them on this
        machine; where Slurm started this process, on each of the job's nodes. `lost` is called
        before this process ends itself, as another one died and nothing else noticed (`Peers`).

        Raises InputError where that many are not there.
        """
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own dependencies, at import
            from lightning_fabric import Fabric
        has_gpu = torch.cuda.is_available()
        count = _count(devices, torch.cuda.device_count() if has_gpu else 1)
        nodes = int(os.environ.get("SLURM_NNODES", 1)) if _slurm_started_us() else 1
        if not has_gpu and count * nodes == 1:
            torch.set_num_threads(min(os.cpu_count() or 1, max(_THREADS, torch.get_num_threads())))
        fabric = Fabric(
            accelerator="cuda" if has_gpu else "cpu",
            devices=count,
            strategy=_strategy(count, nodes),
            num_nodes=nodes,
        )
        if count * nodes == 1:
            fabric.launch()
            return cls(fabric)
        peers = Peers(fabric.strategy.launcher, lost)
        peers.start()
        fabric.launch()
        return cls(fabric, peers=peers)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        """The training is over: the other processes may end as they like."""
        if self.peers is not None:
            self.peers.stop()

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return bool(self.fabric.is_global_zero)

    @property
    def world(self) -> int:
        """Number of processes that train together."""
        return int(self.fabric.world_size)

    @property
    def rank(self) -> int:
        """Number of this process among them."""
        return int(self.fabric.global_rank)

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        found: torch.device = self.fabric.device
        return found

    def place(self, network: nn.Module) -> nn.Module:
        """The network on the device, in channels-last order (1.3 times faster on a CPU)."""
        placed: nn.Module = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def number_context(self) -> AbstractContextManager[Any]:
        """Within it, convolutions run in the chosen number format."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.number_format == "bf16"
        )

    def share_of(self, shots: int) -> slice:
        """Which of the shots of a batch go through this process: a run of them, so that a process
        normalises over the same shots as one process that takes the batch in as many parts."""
        size = math.ceil(shots / self.world)
        return slice(self.rank * size, (self.rank + 1) * size)

    def synchronise(self, value: float) -> float:
        """Mean of a number over all processes."""
        if self.world == 1:
            return value
        mean = self.fabric.all_reduce(torch.tensor(value, device=self.device), reduce_op="mean")
        return float(mean)

    def greatest(self, value: int) -> int:
        """The greatest of a number in all processes; all of them must ask."""
        if self.world == 1:
            return value
        return int(self.fabric.all_reduce(torch.tensor(value, device=self.device), reduce_op="max"))

    def of_first(self, value: Any) -> Any:
        """What the first process has in the place of `value`; all of them must ask."""
        return self.fabric.broadcast(value) if self.world > 1 else value

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all of them must ask."""
        return self.synchronise(float(flag)) > 0 if self.world > 1 else flag

    def probe(
        self, network: nn.Module, side: int, channels: int, asked: str, batch: int
    ) -> tuple[str, float]:
        """Choose the number format, by machine and recipe alone so that a seed repeats a training,
        and in how many parts a batch of this many shots goes through the network; (what in words,
        seconds per shot, tried for half a second at most).

        All processes of a training take the same: the format of the first, and as many parts as
        the one needs that has least memory. Weights and running statistics are left as they were;
        gradients are cleared.
        """
        self.number_format = self.of_first(_format_for(asked, self.device.type))
        state = {k: v.clone() for k, v in network.state_dict().items()}
        room = self._divide(network, side, channels, batch)
        shots = min(_TRIAL_SHOTS, math.ceil(batch / self.parts))
        while True:
            try:
                seconds = self._time(network, side, channels, shots)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or shots == 1:
                    raise
                shots //= 2
        network.load_state_dict(state)
        network.zero_grad(set_to_none=True)
        words = f"{self._where()}, {_IN_WORDS[self.number_format]}, channels last"
        return f"{words} (a step of {shots} shots: {1e3 * seconds:.0f} ms).{room}", seconds / shots

    def _divide(self, network: nn.Module, side: int, channels: int, batch: int) -> str:
        """Halve the batch until what backpropagation keeps fits into the memory that is free.

        Only on a CPU: a GPU says that it is full, but a system may end a process without a word.
        """
        if self.device.type != "cpu":
            return ""
        x = torch.rand(2, channels, side, side).contiguous(memory_format=torch.channels_last)
        each = kept_bytes(network, x) / len(x) * _TRANSIENT
        free = psutil.virtual_memory().available * _MEMORY_SHARE / self.world
        mine = math.ceil(batch / self.world)
        while each * math.ceil(mine / self.parts) > free and self.parts < mine:
            self.parts *= 2
        self.parts = self.greatest(self.parts)
        if self.parts == 1:
            return ""
        at_once = math.ceil(mine / self.parts)
        return (
            f" A batch of {mine} would need {each * mine / 1e9:.1f} GB:"
            f" it goes through {counted(at_once, 'shot')} at a time."
        )

    def _time(self, network: nn.Module, side: int, channels: int, shots: int) -> float:
        x = torch.rand(shots, channels, side, side, device=self.device)
        x = x.contiguous(memory_format=torch.channels_last)
        return _fastest(lambda: self._trial_step(network, x), 0.3)

    def _trial_step(self, network: nn.Module, x: Tensor) -> None:
        with self.number_context():
            loss = network(x).float().square().mean()
        loss.backward()
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _where(self) -> str:
        if self.device.type == "cuda":
            return f"{self.world} × {torch.cuda.get_device_name(self.device)}"
        return f"CPU, {torch.get_num_threads()} threads"


def kept_bytes(network: nn.Module, x: Tensor) -> int:
    """Bytes that a forward pass of the batch x keeps for the way back, besides the weights."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # itself, and the graph would keep itself and the network alive

    def give_back(tensor: Tensor) -> Tensor:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, give_back):
        _ = network(x).sum()
        return sum(kept.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device, or of the machine, is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
    return isinstance(error, RuntimeError) and any(w in text for w in words)


def is_lost_peer(error: BaseException) -> bool:
    """Whether an error says that another process of the training does not answer any more."""
    kind = getattr(torch.distributed, "DistError", ())
    words = ("closed by peer", "reset by peer", "broken pipe", "timed out waiting", "gloo")
    text = str(error).lower()
    return isinstance(error, kind) or (
        isinstance(error, RuntimeError) and any(word in text for word in words)
    )


def _slurm_started_us() -> bool:
    """Whether srun started this process as one of several tasks."""
    tasks, name = os.environ.get("SLURM_NTASKS"), os.environ.get("SLURM_JOB_NAME")
    return (
        tasks is not None and "SLURM_PROCID" in os.environ and name not in ("bash", "interactive")
    )


def _strategy(count: int, nodes: int) -> Any:
    if count * nodes == 1:
        return "auto"
    alone = nodes == 1 and sys.platform != "win32"
    return loopback_strategy() if alone else "ddp"


def _count(devices: str | int | None, there: int) -> int:
    if devices in (None, "auto"):
        return 1
    try:
        count = int(devices or 1)
    except ValueError:
        count = 0
    on_cpu = not torch.cuda.is_available()
    if count < 1 or (count > there and not on_cpu):
        raise InputError(
            f"{devices!r} devices cannot be used", mend=f"There are {there}; give a number."
        )
    return count


def _format_for(asked: str, device: str) -> Format:
    """bf16 where the device multiplies such matrices itself (on a CPU twice as fast as 32 bit;
    where they are emulated, slower), else 32 bit; or what was asked for."""
    if asked != "auto":
        return "bf16" if asked == "bf16" else "32"
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    own: Sequence[str] = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return "bf16" if any(getattr(torch.cpu, n, lambda: False)() for n in own) else "32"


def _fastest(work: Callable[[], None], seconds: float) -> float:
    """Shortest time of a few calls, after a warm one, within about this many seconds.

    A call that takes several times as long is made once: being the first adds little to it.
    """
    begin = time.perf_counter()
    work()
    first = time.perf_counter() - begin
    if first > 5 * seconds:
        return first
    end = time.perf_counter() + seconds
    best = float("inf")
    for _ in range(_TRIALS):
        begin = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - begin)
        if now > end:
            break
    return best
