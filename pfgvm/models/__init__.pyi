from pfgvm.models.target_models import model_a as model_a
from pfgvm.models.target_models import model_b as model_b
