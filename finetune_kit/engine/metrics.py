"""Loss, perplexity and token accuracy, over tokens and not over batches."""

import math
from dataclasses import dataclass


@dataclass
class TokenMetrics:
    """Sums over answer tokens, from which the metrics follow."""

    loss_sum: float = 0.0
    tokens: int = 0
    correct: int | None = None

    def add(self, loss_sum: float, tokens: int, correct: int | None = None) -> None:
        """Count a batch."""
        self.loss_sum += loss_sum
        self.tokens += tokens
        if correct is not None:
            self.correct = (self.correct or 0) + correct

    @property
    def loss(self) -> float:
        """Cross entropy in nats per answer token; NaN before anything was counted."""
        return self.loss_sum / self.tokens if self.tokens else math.nan

    def as_dict(self) -> dict[str, float]:
        """`loss`, `perplexity` = exp(loss), and `token_accuracy` where it was counted."""
        metrics = {"loss": self.loss, "perplexity": math.exp(min(self.loss, 700.0))}
        if self.correct is not None:
            metrics["token_accuracy"] = self.correct / self.tokens
        return metrics
