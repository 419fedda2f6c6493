from .ema import (
    ema_decay as ema_decay,
    ema_update as ema_update,
    keep_in_evaluation as keep_in_evaluation,
    make_teacher as make_teacher,
    unwrapped as unwrapped,
)
from .fused import (
    FusedNetwork as FusedNetwork,
    FusedOutput as FusedOutput,
    build_fused_network as build_fused_network,
)
from .outputs import (
    full_resolution as full_resolution,
    set_deep_supervision as set_deep_supervision,
    split_batch as split_batch,
)
from .pixels import (
    bilinear as bilinear,
    class_entropy as class_entropy,
    nearest as nearest,
    nearest_map as nearest_map,
    pixel_entropy as pixel_entropy,
)
from .planned import (
    build_planned as build_planned,
    partner_architecture as partner_architecture,
)
from .task_network import (
    TaskNetwork as TaskNetwork,
    build_task_network as build_task_network,
)
