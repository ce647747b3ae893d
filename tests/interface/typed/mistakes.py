"""Wrong calls: type checkers refuse each line that says so, and no other. Nothing runs this file."""

import numpy as np
from numpy.typing import NDArray

import fastact as fa

x = np.ones((4, 8), np.float32)
dy, y = x.copy(), x.copy()
words = ["1.5", "2.5"]

# names
fa.gleu(x)  # error
fa.gelu.forward(x)  # error
fa.sigmoid.noise((3,), seed=0)  # error
fa.set_threads(2)  # error
print(fa.catalogue)  # error

# arrays
fa.gelu()  # error
fa.gelu("1.5")  # error
fa.gelu(words)  # error
fa.gelu(None)  # error
fa.gelu(1.5j)  # error
fa.gelu(x, out=[0.0])  # error
fa.gelu(x, out="y")  # error
fa.gelu(x, out=(x, x))  # error
fa.gelu(x, y)  # error
fa.elu(x, y)  # error
fa.silu(x, y, y)  # error

# parameters
fa.gelu(x, approximate="fast")  # error
fa.gelu(x, approximate=True)  # error
fa.elu(x, alpha="0.5")  # error
fa.elu(x, alpah=0.5)  # error
fa.elu(x, 0.5, 0.5)  # error
fa.hardtanh(x, min_val=None)  # error
fa.softplus(x, threshold="20")  # error
fa.threshold(x)  # error
fa.threshold(x, 0.1)  # error
fa.relu(x, inplace=True)  # error

# axes
fa.softmax(x, dim=-1)  # error
fa.softmax(x, axis=0.5)  # error
fa.softmax(x, axis=(0, 0.5))  # error
fa.glu(x, axis=(0, 1))  # error
fa.softmax(x, -1, 2.0)  # error
fa.log_softmax(x, temperature=2.0)  # error
fa.log_softmax(x, where=x > 0)  # error
fa.glu(x, axis="last")  # error

# what a call cannot go without
fa.maxout(x)  # error
fa.prelu(x)  # error
fa.gumbel_softmax(x)  # error
fa.gumbel_softmax(x, seed="seven")  # error
fa.rrelu(x, seed=1.5)  # error

# gradients
fa.gelu.backward(dy)  # error
fa.gelu.backward(dy, y=y)  # error
fa.gelu.backward(dy, x)  # error
fa.softmax.backward(dy, x=x)  # error
fa.sigmoid.backward(dy)  # error
fa.sigmoid.backward(dy, x=x, y=y)  # error
fa.sigmoid.backward(dy, y="saved")  # error
fa.elu.backward(dy, y=y, alpha="0.5")  # error
fa.elu.backward(dy, y=y, beta=0.5)  # error
fa.gelu.backward(dy, x=x, beta_grad=True)  # error
fa.prelu.backward(dy, x=x)  # error
fa.maxout.backward(dy, x=x)  # error
fa.maxout.backward(dy, x=x, which=x, pieces=4)  # error

# results
text: str = fa.gelu(x)  # error
one: float = fa.gelu.backward(dy, x=x)  # error
values, where = fa.silu(1.5)  # error
alone: NDArray[np.float32] = fa.prelu.backward(dy, x=x, weight=0.25)  # error
pair: tuple[NDArray[np.float32], NDArray[np.int32]] = fa.maxout(x, 4)  # error
beta: tuple[NDArray[np.float32], float] = fa.swish.backward(dy, x=x)  # error

# what is bound
fa.elu.bind(alpah=0.5)  # error
fa.elu.bind(alpha="0.5")  # error
fa.relu.bind(alpha=0.5)  # error

# the module's own
fa.get(3)  # error
print(fa.get("gelu").nme)  # error
fa.activations["gelu"] = 3  # error
fa.set_num_threads("2")  # error
threads: str = fa.get_num_threads()  # error
with fa.num_threads():  # error
    pass

# passes
fa.layer_norm(x, dim=-1)  # error
fa.layer_norm(x, eps="1e-5")  # error
fa.layer_norm.backward(x, x)  # error
fa.batch_norm(x, training=True, momentum="0.1")  # error
fa.cross_entropy(x)  # error
fa.cross_entropy(x, y, reduction=1)  # error
fa.cross_entropy.gradient(x, y)  # error
fa.dropout(x)  # error
fa.lstm_cell(x)  # error
fa.lstm_cell.backward(x, gates=x, c=x, c_next=x)  # error
fa.gru_cell.backward(x, gates=(x, x))  # error
fa.logsumexp(x, scale="2")  # error
