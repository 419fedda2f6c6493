from .agreement import (
    class_map_agreement as class_map_agreement,
)
from .consensus import (
    consensus_loss as consensus_loss,
    divergence_loss as divergence_loss,
)
from .consistency import (
    consistency_loss as consistency_loss,
)
from .cross_supervision import (
    cross_supervision_loss as cross_supervision_loss,
)
from .distillation import (
    distillation_loss as distillation_loss,
)
from .entropy import (
    entropy_loss as entropy_loss,
)
from .mutual import (
    mutual_loss as mutual_loss,
)
from .reduction import (
    counted_mean as counted_mean,
    mean_inside as mean_inside,
)
from .segmentation import (
    masked_seg_loss as masked_seg_loss,
    one_hot as one_hot,
    seg_loss as seg_loss,
    soft_dice_loss as soft_dice_loss,
)
from .task_losses import (
    aggregated_probability as aggregated_probability,
    foreground_dice_loss as foreground_dice_loss,
    foreground_probability as foreground_probability,
    task_seg_loss as task_seg_loss,
)
