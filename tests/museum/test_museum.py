"""Protects the clinic: each mistake of the museum is found and named, none of their twins accused.

wrong/ has a file for each mistake, and right/ its twin, which differs in one line or two.
"""

import importlib.util
from functools import cache
from pathlib import Path

import pytest

from tinynn.clinic.modules import check_module

MUSEUM = Path(__file__).parent
MISTAKES = {  # the array whose gradient is wrong, "" if it is none; and words that name the mistake
    "affine_untransposed_weights": ("x", "W is transposed"),
    "affine_bias_over_wrong_axis": ("b", "wrong axis"),
    "affine_bias_is_a_mean": ("b", "Too small by the factor 5, the batch size"),
    "affine_bias_not_summed": ("b", "not summed over the samples"),
    "affine_weights_gradient_transposed": ("W", "if transposed"),
    "affine_last_sample_left_out": ("W", "Sample 4 is left out"),
    "affine_without_return_of_order": ("W", "sign"),
    "columns_one_mean_one_sum": ("W", "Too small by the factor 5, the batch size"),
    "relu_mask_of_dout": ("x", "mask was made from another array"),
    "relu_lets_everything_through": ("x", "the derivative there is 0"),
    "relu_mask_inverted": ("x", "mask is inverted"),
    "relu_returns_booleans": ("x", "True and False"),
    "relu_changes_its_input": ("", "changes in place its argument x"),
    "relu_changes_dout": ("", "changes in place its argument dout"),
    "sigmoid_of_x": ("x", "computed from x instead of out"),
    "tanh_without_square": ("x", "1 - out**2"),
    "gelu_constant": ("x", "factor 3 of the cube"),
    "elu_without_alpha": ("x", "without alpha"),
    "leaky_relu_without_slope": ("x", "where x is 0 or less"),
    "softmax_diagonal": ("x", "depends on all inputs"),
    "penalty_without_strength": ("x", "depends on strength"),
    "softmax_sum_over_samples": ("x", "over the samples"),
    "log_softmax_without_sum": ("z", "sum(dout)"),
    "softmax_loss_without_mean": ("x", "1/B of the mean missing"),
    "softmax_loss_without_labels": ("x", "not subtracted"),
    "cross_entropy_without_weights": ("x", "missing in it"),
    "mse_without_columns": ("p", "1/C missing"),
    "mse_without_factor_two": ("p", "0.5 times"),
    "batchnorm_without_mean": ("x", "if the mean were constant"),
    "batchnorm_without_statistics": ("x", "the mean and the variance were constant"),
    "batchnorm_gamma_with_x": ("gamma", "normalised x"),
    "batchnorm_epsilon_outside_root": ("x", "epsilon is at another place"),
    "layernorm_means_over_samples": ("x", "over the same axis"),
    "dropout_without_scale": ("x", "1 / (1 - rate) is missing"),
    "dropout_draws_again": ("x", "The mask is another one"),
    "conv_kernel_not_turned": ("x", "kernel is not turned"),
    "maxpool_ties_to_all": ("x", "equal maxima"),
    "average_pool_without_mean": ("x", "4 times"),
    "dense_keeps_the_first_x": ("W", "batch before (stale)"),
    "dense_updates_in_backward": ("x", "backward changes W"),
    "list_one_gradient_adds_up": ("params[1]", "added to the old gradient"),
    "residual_without_skip": ("x", "dout is missing"),
    "embedding_counts_an_index_once": ("table", "more than once in idx"),
    "product_exchanged": ("a", "exchanged"),
    "network_without_decay": ("W1", "is missing in it"),
    "network_decays_a_bias": ("b2", "too much"),
    "recurrent_forgets_later_steps": ("x", "later steps"),
    "softplus_second_derivative": ("x", "the second derivative"),
    "softplus_sign_in_exp": ("z", "The sign in exp is wrong"),
    "swish_without_share": ("x", "the term s(x) is missing"),
    "glu_halves_exchanged": ("x", "two halves along axis 1 are exchanged"),
    "bce_gradient_of_logits": ("p", "the gradient of the logits"),
    "bce_second_term": ("y_hat", "The term of (1 - y) log(1 - p) is missing"),
    "l2norm_constant_norm": ("x", "if the norm were constant"),
    "l2norm_projected_on_x": ("x", "projected on x"),
    "hinge_right_class_once": ("x", "only in the column of the right class"),
    "svm_half_of_decay": ("W", "0.1 * W is missing in it"),
    "huber_without_sign": ("pred", "where the difference to target is negative"),
    "absolute_error_without_sign": ("y_pred", "is its sign: np.sign"),
    "rmsnorm_without_gain": ("x", "Is g missing in it"),
    "attention_without_scale": ("Q", "the 1/sqrt(4) by which forward scales"),
    "convolution_overwrites": ("x", "windows overlap"),
    "convolution_bias_is_a_mean": ("b", "the mean over axes (2, 3)"),
    "bias_of_one_sample": ("params[0]", "that of sample 0 alone"),
    "maxpool_without_mask": ("x", "the entries where 0 is right"),
    "dropout_scaled_twice": ("x", "scaled twice"),
    "log_times_x": ("x", "reciprocal"),
    "labels_as_whole_columns": ("logits", "takes whole columns"),
    "clip_without_mask": ("x", "the entries where 0 is right"),
    "divergence_without_constant": ("logvar", "0.1 too large everywhere"),
    "global_pool_without_mean": ("x", "is the 1/9 missing"),
    "power_without_exponent": ("x", "the argument n"),
}


@cache
def reports(side, name):
    path = MUSEUM / side / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"museum_{side}_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return check_module(module)


def named(name):
    """Return the findings that name the mistake."""
    array, words = MISTAKES[name]
    findings = [finding for report in reports("wrong", name) for finding in report.findings]
    return [f for f in findings if f.array == array and words in f.sentence]


def changed_lines(name):
    """Return the lines of the wrong file that its twin has not."""
    texts = [(MUSEUM / side / f"{name}.py").read_text().split("\n") for side in ("wrong", "right")]
    return {i + 1 for i, line in enumerate(texts[0]) if line not in texts[1]}


def test_each_mistake_has_its_files():
    assert len(MISTAKES) >= 40
    for side in ("wrong", "right"):
        assert {path.stem for path in (MUSEUM / side).glob("*.py")} == {*MISTAKES}


@pytest.mark.first_cases(30)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_named(name):
    assert not all(report.ok for report in reports("wrong", name))
    assert named(name)


@pytest.mark.slow
def test_most_findings_point_at_the_line_that_differs_from_the_twin():
    at_the_line = [n for n in MISTAKES if {f.line for f in named(n)} & changed_lines(n)]
    assert len(at_the_line) >= 30, {*MISTAKES} - {*at_the_line}


@pytest.mark.first_cases(30)
@pytest.mark.parametrize("name", MISTAKES)
def test_the_right_twin_is_not_accused(name):
    found = reports("right", name)
    assert found
    assert all(report.ok and report.rows for report in found), found
