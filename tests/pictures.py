"""Where the texts of a picture lie: beyond its edge, on one another."""

import itertools

from matplotlib.text import Text


def texts_drawn(figure, monkeypatch):
    """Draw a figure; return each text that was drawn, and its box in pixels."""
    drawn = []
    draw = Text.draw

    def noting(self, renderer):
        draw(self, renderer)
        if self.get_visible() and self.get_text().strip():
            drawn.append((self.get_text(), self.get_window_extent(renderer)))

    figure.canvas.draw()  # lays it out
    monkeypatch.setattr(Text, "draw", noting)
    figure.canvas.draw()
    monkeypatch.undo()
    return drawn


def misplaced(figure, monkeypatch, slack=1.0):
    """Texts that lie beyond the figure's edge, and pairs that lie on one another."""
    texts, canvas = texts_drawn(figure, monkeypatch), figure.bbox
    assert texts
    outside = [
        text
        for text, box in texts
        if box.x0 < -slack or box.y0 < -slack or box.x1 > canvas.x1 + slack or box.y1 > canvas.y1 + slack
    ]
    pairs = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(texts, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
    ]
    return outside, pairs
