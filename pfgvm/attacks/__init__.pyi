# For type checkers and editors: at run time the methods are loaded by name, and one that is not here works as well.
from collections.abc import Callable

from torch import Tensor

from pfgvm.attacks.methods.i_fgsm import i_fgsm as i_fgsm
from pfgvm.attacks.methods.i_fgvm import i_fgvm as i_fgvm
from pfgvm.attacks.methods.p_fgvm import p_fgvm as p_fgvm
from pfgvm.attacks.methods.p_fgvm_noise import p_fgvm_noise as p_fgvm_noise
from pfgvm.attacks.methods.random_equal_l2 import random_equal_l2 as random_equal_l2

def __getattr__(name: str) -> Callable[..., Tensor]: ...
