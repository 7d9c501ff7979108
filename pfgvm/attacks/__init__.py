"""The paper's attacks (Sections 2 and 3), one a file, and the control they are held against."""

from pfgvm.attacks.i_fgsm import i_fgsm
from pfgvm.attacks.i_fgvm import i_fgvm
from pfgvm.attacks.p_fgvm import p_fgvm
from pfgvm.attacks.random_equal_l2 import random_equal_l2

__all__ = ["i_fgsm", "i_fgvm", "p_fgvm", "random_equal_l2"]
