"""How function transforms run: levels, on which tensors are the arrays; batches; forward mode."""

from gradcore.transforms import batching as batching
from gradcore.transforms import forward as forward
from gradcore.transforms import level as level
