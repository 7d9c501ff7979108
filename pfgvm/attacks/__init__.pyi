# For type checkers and editors: at run time the methods are loaded by name, and one that is not here works as well.
from collections.abc import Callable
from typing import Any

from pfgvm.attacks.methods.clean import clean as clean
from pfgvm.attacks.methods.cw_l2 import cw_l2 as cw_l2
from pfgvm.attacks.methods.ddn import ddn as ddn
from pfgvm.attacks.methods.fmn import fmn as fmn
from pfgvm.attacks.methods.gaussian_blur import gaussian_blur as gaussian_blur
from pfgvm.attacks.methods.i_fgsm import i_fgsm as i_fgsm
from pfgvm.attacks.methods.i_fgvm import i_fgvm as i_fgvm
from pfgvm.attacks.methods.k_same import k_same as k_same
from pfgvm.attacks.methods.masking import masking as masking
from pfgvm.attacks.methods.p_fgvm import p_fgvm as p_fgvm
from pfgvm.attacks.methods.p_fgvm_features import p_fgvm_features as p_fgvm_features
from pfgvm.attacks.methods.p_fgvm_noise import p_fgvm_noise as p_fgvm_noise
from pfgvm.attacks.methods.p_fgvm_shape import p_fgvm_shape as p_fgvm_shape
from pfgvm.attacks.methods.p_fgvm_shape_strong import p_fgvm_shape_strong as p_fgvm_shape_strong
from pfgvm.attacks.methods.pixelation import pixelation as pixelation
from pfgvm.attacks.methods.random_equal_l2 import random_equal_l2 as random_equal_l2
from pfgvm.attacks.methods.random_shape import random_shape as random_shape

def __getattr__(name: str) -> Callable[..., Any]: ...
