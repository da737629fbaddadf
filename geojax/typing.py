"""One alias per concept: what flows between the modules, with its shape."""

from jaxtyping import Array, Bool, Float, Int
from jaxtyping import Key as _Key

Points = Float[Array, "n d"]
OtherPoints = Float[Array, "rows e"]
Sample = Float[Array, "rows columns"]
Mask = Bool[Array, "n"]
Labels = Int[Array, "n"]
Targets = Int[Array, "n"] | Float[Array, "n"]
Scalar = Float[Array, ""]
Key = _Key[Array, ""]
