"""What only the holder of the key could compute again: digests, and permutations of numbers."""

from functools import lru_cache
from hashlib import blake2s

ROUNDS = 6
"""Of the Feistel network; four are enough for a pseudorandom permutation (Luby and Rackoff)."""


class Secret:
    """A key, and the functions under it. `label` keeps what is made for one use from another's."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2s(key).digest()
        self._round = lru_cache(maxsize=1 << 16)(self._fresh_round)

    def digest(self, label: str, data: bytes, size: int = 32) -> bytes:
        """`size` bytes (1 to 32) that say nothing of the data. `label`: at most 8 characters."""
        return blake2s(data, digest_size=size, key=self._key, person=label.encode()).digest()

    def number(self, label: str, data: bytes) -> int:
        """A number of 256 bits."""
        return int.from_bytes(self.digest(label, data), "big")

    def permuted(self, label: str, value: int, bits: int) -> int:
        """One of the 2**bits numbers (an even number of bits) for each of them, none twice."""
        half = bits // 2
        left, right = value >> half, value & (1 << half) - 1
        for turn in range(ROUNDS):
            left, right = right, left ^ self._round(label, turn, half, right)
        return left << half | right

    def _fresh_round(self, label: str, turn: int, half: int, value: int) -> int:
        size = (half + 7) // 8
        data = bytes((turn, half)) + value.to_bytes(size, "big")
        return int.from_bytes(self.digest(label, data, size), "big") & (1 << half) - 1
