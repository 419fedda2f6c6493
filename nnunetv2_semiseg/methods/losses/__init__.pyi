from .agreement import (
    class_map_agreement as class_map_agreement,
)
from .consensus import (
    consensus_loss as consensus_loss,
)
from .consensus import (
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
)
from .reduction import (
    mean_inside as mean_inside,
)
from .segmentation import (
    masked_seg_loss as masked_seg_loss,
)
from .segmentation import (
    one_hot as one_hot,
)
from .segmentation import (
    seg_loss as seg_loss,
)
from .segmentation import (
    soft_dice_loss as soft_dice_loss,
)
from .task_losses import (
    aggregated_probability as aggregated_probability,
)
from .task_losses import (
    foreground_dice_loss as foreground_dice_loss,
)
from .task_losses import (
    foreground_probability as foreground_probability,
)
from .task_losses import (
    task_seg_loss as task_seg_loss,
)
