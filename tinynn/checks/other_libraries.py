"""Names that other libraries use, and what to write in tinynn instead.

An entry is a whole sentence, or only the name in tinynn.
"""

FROZEN = "Layers are frozen one by one: model.layers[i].trainable = False."
OVERWRITTEN = "Each backward overwrites model.grads: there is nothing to set to zero."
MODES = "There is no mode: write model.forward(x, training=False), or model.predict(x)."
SAVED = "Write save_model(model, path), and load_model(path) to read it."
PARAMETERS = "Write model.params, one flat vector, or model.named_parameters()."
GRADIENTS = "Write model.grads, one flat vector, or model.layers[i].dW."
GIVEN = "Each method of a callback gets the trainer as its argument."
FIT = "Write Trainer(model, loss, optimizer).fit(x, y, epochs=10)."
CLIPPED = "Give fit callbacks=[ClipGradientNorm(limit)]."
EVALUATE = "Write Trainer(model, loss, optimizer).evaluate(x, y)."

# By the base class in tinynn, then by the name in the other library.
ELSEWHERE: dict[str, dict[str, str]] = {
    "Layer": {
        **dict.fromkeys(("requires_grad", "frozen"), "trainable"),
        **dict.fromkeys(("input_dim", "in_features"), "The previous layer determines it."),
        **dict.fromkeys(("out_features", "output_dim"), "Write units."),
        "activation": "Put a layer after it: Dense(512), ReLU().",
        "kernel_initializer": "Write initializer.",
    },
    "Sequential": {
        **dict.fromkeys(("trainable", "requires_grad", "requires_grad_"), FROZEN),
        **dict.fromkeys(("parameters", "weights", "trainable_weights", "coefs_"), PARAMETERS),
        **dict.fromkeys(("get_weights", "trainable_variables", "state_dict"), PARAMETERS),
        **dict.fromkeys(("set_weights", "load_state_dict"), "Write model.params = vector."),
        **dict.fromkeys(("grad", "gradients"), GRADIENTS),
        **dict.fromkeys(("fit", "compile", "train_on_batch", "optimizer", "loss"), FIT),
        **dict.fromkeys(("evaluate", "score", "test_on_batch"), EVALUATE),
        **dict.fromkeys(("train", "eval", "training"), MODES),
        **dict.fromkeys(("save", "save_weights", "load", "load_weights"), SAVED),
        **dict.fromkeys(("add", "pop", "append"), "Give all layers at once: Sequential([...])."),
        **dict.fromkeys(("modules", "children"), "Write model.layers."),
        **dict.fromkeys(("to", "float", "double", "half"), "Write model.astype(np.float64)."),
        "zero_grad": OVERWRITTEN,
        "count_params": "Write model.params.size.",
        "predict_proba": "Write model.predict(x).",
    },
    "Loss": {
        "reduction": "Every loss is a mean over the batch.",
        "label_smoothing": "Write CrossEntropy(label_smoothing=0.1), or SoftmaxCrossEntropy.",
        "from_logits": "For logits, use SoftmaxCrossEntropy().",
    },
    "Optimizer": {
        **dict.fromkeys(("lr", "eta", "alpha", "learning_rate_init", "base_lr"), "learning_rate"),
        "eps": "epsilon",
        "betas": "Write beta1 and beta2.",
        "rho": "Write momentum or beta2.",
        "param_groups": "All parameters have one learning_rate.",
        "weight_decay": "Use AdamW(weight_decay=0.01).",
        **dict.fromkeys(("global_clipnorm", "max_grad_norm"), CLIPPED),
        "clipvalue": "Give fit callbacks=[ClipGradientValue(limit)].",
        "clipnorm": f"{CLIPPED} It takes the norm of all gradients, not of each array.",
        **dict.fromkeys(("apply_gradients", "minimize", "apply"), "Write step(params, grads)."),
        **dict.fromkeys(("state_dict", "get_config"), "Write state(), or config()."),
        "load_state_dict": "Write load_state(state).",
        "zero_grad": OVERWRITTEN,
    },
    "Callback": {
        **dict.fromkeys(("model", "params", "trainer"), GIVEN),
        **dict.fromkeys(
            ("restore_best_weights", "save_best_only"),
            "EarlyStopping always restores the best weights.",
        ),
        **dict.fromkeys(("filename", "filepath"), "path"),
    },
    "Trainer": {
        "train": "Write fit(x, y, epochs=10).",
        "predict": "Write trainer.model.predict(x).",
        "score": "Write evaluate(x, y).",
        "test": "Write evaluate(x, y).",
        "save": "Write save_model(trainer.model, path).",
        **dict.fromkeys(("stop_training", "should_stop"), "stop"),
        **dict.fromkeys(("lr", "learning_rate"), "Write trainer.optimizer.learning_rate."),
    },
}
# For a layer's parameters and their gradients, if it has any.
OF_PARAMETERS = {
    **dict.fromkeys(("weight", "weights", "kernel", "w", "matrix", "coef_"), "W"),
    **dict.fromkeys(("bias", "biases", "offset", "intercept_"), "b"),
    **dict.fromkeys(("grad", "weight_grad", "grad_weight", "kernel_grad", "gradient"), "dW"),
    **dict.fromkeys(("bias_grad", "grad_bias"), "db"),
}
