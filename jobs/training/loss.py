"""What training minimises, where a word may have one of several labels.

Enters: logits, sets of labels, where sequences begin. Leaves: a loss. Must not import: Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spark_entities.jobs.training.texts import LabelSets


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialLabelLoss:
    """−log of the sum of what the sequences of labels count for that the words may have."""

    allowed: torch.Tensor  # bool, (num_sets, num_labels)
    transitions: torch.Tensor  # float64, (num_labels, num_labels)

    @classmethod
    def of(cls, sets: LabelSets, device: torch.device) -> PartialLabelLoss:
        """Make the loss of the sets that words may have."""
        tables = (sets.table(), sets.transitions())
        allowed, transitions = (torch.from_numpy(table).to(device) for table in tables)
        return cls(allowed=allowed, transitions=transitions)

    def __call__(
        self, logits: torch.Tensor, targets: torch.Tensor, opens: torch.Tensor
    ) -> torch.Tensor:
        """Return the sum over sequences.

        Args:
            logits: (num_words, num_labels), of all sequences end to end.
            targets: (num_words,): the words' sets.
            opens: bool, (num_words,): a word with which a sequence begins.

        A sequence of labels counts for the product of the probabilities of its labels, and of its
        transitions. The sum over all of them falls apart before each word whose labels may stand
        after any; these pieces are summed side by side.
        """
        if not len(targets):
            return logits.sum()
        probabilities = logits.double().softmax(-1) * self.allowed[targets]
        after_some = (self.transitions < 1).any(0)  # by label: not after any
        begins = opens | ~(self.allowed & after_some).any(-1)[targets]
        piece = begins.cumsum(0) - 1
        place = torch.arange(len(targets), device=piece.device) - begins.nonzero()[piece, 0]
        words = probabilities.new_ones(int(place.max()) + 1, int(piece[-1]) + 1, logits.shape[1])
        words[place, piece] = probabilities
        shares: list[torch.Tensor] = []
        valid = words[0]
        for word in words:
            valid = word * (valid @ self.transitions) if shares else valid
            shares.append(valid.sum(-1))
            valid = valid / shares[-1][:, None]
        return -torch.stack(shares)[place, piece].log().sum()
