"""3-D features and a recurrent network: a clip stands for its middle step, and steps know what lies about them."""

import pytest
import torch

from detectors.backbones.families.cnn3d_rnn import Cnn3dRnn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("image_network", ["toy", "small", "resnet18"])
@pytest.mark.parametrize("clip_frames", [None, 4, 16, 30])
def test_the_middle_step_is_the_one_that_the_window_is_for(image_network: str, clip_frames: int | None) -> None:
    network = Cnn3dRnn(class_names=("a", "b"), image_network=image_network, clip_frames=clip_frames, width=8)
    contract = network.contract
    assert contract.halo_before == network.middle * contract.stride
    assert contract.clip_frames == contract.halo_before + contract.stride + contract.halo_after
    with torch.inference_mode():
        states_NSC = network.eval().states(torch.zeros(1, 3, contract.clip_frames, 64, 64))
    assert states_NSC.shape[1] == 2 * network.middle + 1


def test_a_step_knows_what_came_before_and_what_comes_after() -> None:
    torch.manual_seed(0)
    network = Cnn3dRnn(class_names=("a", "b"), image_network="toy", width=8).eval()
    clips_NCTHW = torch.randn(1, 3, network.contract.clip_frames, 32, 32)
    with torch.inference_mode():
        features_NC = network.encode(clips_NCTHW).features_NC
        for frame in (0, -1):
            other_NCTHW = clips_NCTHW.clone()
            other_NCTHW[:, :, frame] += 3.0
            assert not torch.allclose(network.encode(other_NCTHW).features_NC, features_NC, atol=1e-6)
