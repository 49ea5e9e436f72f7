"""What training minimises, where a word may have one of several labels.

Enters: logits, sets of labels, where sequences begin. Leaves: a loss. Must not import: Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spark_entities.jobs.training.texts import LabelSets

_INVALID = 1e-9  # not 0: where a word has no token of its own, the label before is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialLabelLoss:
    """−log of the probability that a sequence of words has some valid sequence of labels."""

    allowed: torch.Tensor  # bool, (num_sets, num_labels)
    follows: torch.Tensor  # bool, (num_labels, num_labels): after the first, the second may stand

    @classmethod
    def of(cls, sets: LabelSets, device: torch.device) -> PartialLabelLoss:
        """Make the loss of the sets that words may have."""
        allowed, follows = (torch.from_numpy(table) for table in (sets.table(), sets.follows()))
        return cls(allowed=allowed.to(device), follows=follows.to(device))

    def __call__(
        self, logits: torch.Tensor, targets: torch.Tensor, opens: torch.Tensor
    ) -> torch.Tensor:
        """Return the sum over sequences.

        Args:
            logits: (num_words, num_labels), of all sequences end to end.
            targets: (num_words,): the words' sets.
            opens: bool, (num_words,): a word with which a sequence begins.

        The probability of a sequence of labels is the product of those of its labels. Summed over
        all valid ones, it falls apart before each word that no label before it can contradict, so
        these pieces are summed side by side: most are a word long.
        """
        if not len(targets):
            return logits.sum()
        probabilities = logits.double().softmax(-1) * self.allowed[targets]
        bound = (self.allowed & ~self.follows.all(0)).any(-1)  # by set: to the label before
        begins = opens | ~bound[targets]
        piece = begins.cumsum(0) - 1
        place = torch.arange(len(targets), device=piece.device) - begins.nonzero()[piece, 0]
        words = probabilities.new_ones(int(place.max()) + 1, int(piece[-1]) + 1, logits.shape[1])
        words[place, piece] = probabilities
        follows = self.follows.double().clamp(min=_INVALID)
        shares: list[torch.Tensor] = []
        valid = words[0]
        for word in words:
            valid = word * (valid @ follows) if shares else valid
            shares.append(valid.sum(-1))
            valid = valid / shares[-1][:, None]
        return -torch.stack(shares)[place, piece].log().sum()
