"""A window without its oldest steps, for networks that read less than what a season is taken from."""

from __future__ import annotations

from tsforge.batch import WindowShape
from tsforge.model.transforms.window import Transform, Window


class Recent(Transform):
    """Leaves out all but the newest steps of the context. A forecast begins where it did: nothing is to be undone."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def shape(self, given: WindowShape) -> WindowShape:
        return given._replace(context=min(self.steps, given.context))

    def forward(self, window: Window) -> tuple[Window, None]:
        """(B, L, ·) -> (B, at most `steps`, ·)."""
        return window._replace(context=window.context.newest(self.steps)), None
