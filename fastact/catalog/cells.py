"""The recurrent cells: one step in time."""

from __future__ import annotations

from .passes import Pass
from .row import Convention

passes = (
    Pass(
        name="lstm_cell",
        made_by="cells.LstmCell",
        formula="c_next = sigmoid(f) * c + sigmoid(i) * tanh(g), h = sigmoid(o) * tanh(c_next)",
        derivatives={
            "i": "total * g * i * (1 - i), with total = dc + dh * o * (1 - tanh(c_next)**2)",
            "f": "total * c * f * (1 - f)",
            "g": "total * i * (1 - g**2)",
            "o": "dh * tanh(c_next) * o * (1 - o)",
            "c": "total * f",
        },
        reference="Hochreiter, Schmidhuber (1997), Long Short-Term Memory; Gers, Schmidhuber, Cummins "
        "(2000), Learning to Forget: Continual Prediction with LSTM",
        strengths="The state is passed on by a product with a gate and a sum, not through a weight matrix "
        "and an activation, so a gradient lives as long as the forget gate is open.",
        weaknesses="Four matrix products a step, and steps that cannot be taken side by side. The output is "
        "bounded, the state is not.",
        allowed=(4, 4),
        conventions=(
            Convention(
                "torch",
                "nn.LSTMCell(inputs, hidden)",
                "does the matrix products too, and adds two biases",
                "lstm_cell(x @ w_ih.T + h @ w_hh.T, c, bias=b_ih + b_hh)",
            ),
            Convention(
                "keras", "LSTMCell(units)", "the same order of gates: i, f, c, o; the cell's g is called c"
            ),
            Convention("onnx", "LSTM(hidden_size)", "another order of gates: i, o, f, c"),
        ),
    ),
    Pass(
        name="gru_cell",
        made_by="cells.GruCell",
        formula="n = tanh(x_n + sigmoid(x_r + h_r) * h_n), z = sigmoid(x_z + h_z), h_next = n + z * (h - n)",
        derivatives={
            "x_n": "dh * (1 - z) * (1 - n**2)",
            "h_n": "dh * (1 - z) * (1 - n**2) * r",
            "z": "dh * (h - n) * z * (1 - z)",
            "r": "dh * (1 - z) * (1 - n**2) * h_n * r * (1 - r)",
            "h": "dh * z",
        },
        reference="Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio (2014), Learning "
        "Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
        strengths="The state passes unchanged where the update gate is 1, with three gates for the four of "
        "an LSTM and one state for its two.",
        weaknesses="Three matrix products a step, and steps that cannot be taken side by side. The state is "
        "bounded by 1, so it cannot count.",
        allowed=(4, 4),
        conventions=(
            Convention("torch", "nn.GRUCell(inputs, hidden)", "does the matrix products too"),
            Convention(
                "keras",
                "GRUCell(units, reset_after=True)",
                "another order of gates: z, r, n. With reset_after=False the reset gate comes before the "
                "product",
            ),
            Convention(
                "onnx",
                "GRU(linear_before_reset=1)",
                "another order of gates: z, r, n. With linear_before_reset=0, its default, as keras's "
                "reset_after=False",
            ),
        ),
    ),
)
