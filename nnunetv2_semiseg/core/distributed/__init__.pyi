from .gradients import average_gradients as average_gradients, averaged as averaged
from .ranks import (
    gather_objects as gather_objects,
    mean_of_ranks as mean_of_ranks,
    rank as rank,
    rank_zero_first as rank_zero_first,
    wait_for_all as wait_for_all,
    world_size as world_size,
)
from .sharing import foreground_share as foreground_share, shares as shares
from .sums import sums_over_ranks as sums_over_ranks
from .weights import (
    take_weights_of_rank_zero as take_weights_of_rank_zero,
    with_common_statistics as with_common_statistics,
)
