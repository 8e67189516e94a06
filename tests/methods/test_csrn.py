"""CSRN against what its text says, written out one pair of images after the other, in float64."""

import pytest
import torch
from helpers.methods import CLASSES, an_episode, build
from torch.nn.functional import one_hot

from fer_meta.methods.csrn import EYES, LIPS, patch, select_channels

pytestmark = pytest.mark.numeric

WAY, SHOTS, QUERIES = 3, 3, 2


@pytest.fixture
def method():
    return build("csrn").double().train()


@pytest.fixture
def episode():
    return an_episode(WAY, SHOTS, QUERIES, dtype=torch.float64)


def random_maps(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def selected_by_loop(shots):
    average, chosen = shots.mean(0), []
    for channel in range(shots.shape[1]):
        off = [abs(shot[channel].mean() - average[channel].mean()) for shot in shots]
        chosen.append(shots[off.index(min(off)), channel])
    return torch.stack(chosen)


def scores_of_pairs(relation, ours, others):
    """The relation module on concatenated maps, in the order (other, own)."""
    pairs = torch.stack([torch.cat([own, other]) for other in others for own in ours])
    hidden = relation.second(relation.after_first(relation.first(pairs)))
    return relation.score(hidden).view(len(others), len(ours))


def scores_by_hand(method, episode):
    """For face, eyes and lips the scores of each support image [Q, S], and those of class maps [Q, way]."""
    everything = torch.cat([episode.support, episode.query])
    parts = torch.cat([everything, patch(everything, EYES), patch(everything, LIPS)])
    of_parts = [
        (maps[: len(episode.support)], maps[len(episode.support) :])
        for maps in method.backbone.maps(parts).chunk(3)
    ]
    of_shots = [scores_of_pairs(method.relation, support, query) for support, query in of_parts]
    faces, query = of_parts[0]
    maps = torch.stack([selected_by_loop(shots) for shots in faces.split(SHOTS)])
    return of_shots, scores_of_pairs(method.relation, maps, query)


@pytest.mark.parametrize("shots", [1, 3, 4])
def test_a_class_map_has_each_channel_of_the_shot_that_is_nearest_to_the_mean(shots):
    maps = random_maps(shots, 20, 4, 4)
    assert torch.equal(select_channels(maps), selected_by_loop(maps))


def test_with_one_shot_the_class_map_is_its_own_and_with_two_that_of_the_larger_mean_in_any_order():
    maps = random_maps(2, 20, 4, 4).float()
    assert torch.equal(select_channels(maps[:1]), maps[0])
    first = maps.mean((2, 3)).argmax(0)
    expected = torch.where((first == 0).view(-1, 1, 1), maps[0], maps[1])
    assert torch.equal(select_channels(maps), expected)
    assert torch.equal(select_channels(maps.flip(0)), expected)


def test_a_channel_that_is_not_selected_gets_no_gradient():
    maps = random_maps(3, 5, 2, 2).requires_grad_()
    select_channels(maps).sum().backward()
    assert maps.grad.sum(0).eq(1).all() and set(maps.grad.unique().tolist()) == {0.0, 1.0}


def test_the_loss_is_that_of_face_eyes_and_lips_and_a_part_of_that_of_the_class_maps(method, episode):
    loss, _ = method.loss(episode)
    of_shots, of_maps = scores_by_hand(method, episode)
    same = (episode.query_labels[:, None] == episode.support_labels[None]).double()
    expected = sum(((scores - same) ** 2).mean() for scores in of_shots)
    expected = expected + 0.7 * ((of_maps - one_hot(episode.query_labels, WAY)) ** 2).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
    ours, by_hand = (
        torch.autograd.grad(one, [*method.backbone.parameters(), method.relation.first.weight])
        for one in (loss, expected)
    )
    for one, other in zip(ours, by_hand):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


def test_it_answers_by_the_same_sum_or_by_the_class_map_alone(method, episode):
    method.eval()
    with torch.no_grad():
        support, query = method.embed(episode.support), method.embed(episode.query)
        classify = method.adapt(support, episode.support_labels, CLASSES)
        of_shots, of_maps = scores_by_hand(method, episode)
        expected = sum(of_shots).unflatten(1, (WAY, SHOTS)).mean(2) + 0.7 * of_maps
        torch.testing.assert_close(classify["csrn"](query), expected, rtol=1e-9, atol=0)
        torch.testing.assert_close(classify["csrn-map"](query), of_maps, rtol=1e-9, atol=0)


@pytest.mark.parametrize("box, rows, columns", [(EYES, (15, 50), (10, 90)), (LIPS, (55, 95), (20, 80))])
def test_a_patch_is_its_box_enlarged(box, rows, columns):
    """On images whose pixels are the number of their row or of their column."""
    down = torch.arange(100.0).view(1, 1, 100, 1).expand(1, 3, 100, 100)
    for image, (first, end) in ((down, rows), (down.transpose(2, 3), columns)):
        cut = patch(image, box)
        assert cut.shape == image.shape
        assert (cut.min().item(), cut.max().item()) == pytest.approx((first, end - 1))
        assert cut.mean().item() == pytest.approx((first + end - 1) / 2, rel=1e-5)


def test_the_patches_hold_the_eyes_and_the_mouth_of_a_face_that_was_shifted_by_augmentation():
    """Rows and columns of eyes and mouth on the mean faces of FER2013, press photographs and rendered people
    (eyes at 0.36, mouths at 0.66 to 0.8), plus or minus a twelfth.
    """
    for (top, bottom, left, right), points in (
        (EYES, [(0.36, 0.3), (0.36, 0.7)]),
        (LIPS, [(0.66, 0.5), (0.8, 0.5)]),
    ):
        for row, column in points:
            assert top < row - 1 / 12 and row + 1 / 12 < bottom
            assert left < column - 1 / 12 and column + 1 / 12 < right
