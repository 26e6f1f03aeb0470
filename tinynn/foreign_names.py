"""What people write who come from PyTorch, Keras or scikit-learn, and what tinynn has instead.

They are answers, not second names: an unknown attribute, argument or name raises the same error as
before, and its message ends with the answer. docs/coming-from.md shows this table, and a test tries
each example. A row has

    origin   T for PyTorch, K for Keras, S for scikit-learn; several for several
    of       what it belongs to: a class or a base class of tinynn, for attributes and arguments;
             "Dense()", a class or a function, for arguments alone; "tinynn", for names that tinynn
             has not; "text", for a text where an object is expected; "place", for an argument that
             is given what belongs elsewhere
             "Loss.backward()" or another method, for a call without its arguments: __missing__
    names    of the other library
    answer   a whole sentence, or only the name in tinynn
    example  a line that gets this answer
"""

from typing import NamedTuple


class Row(NamedTuple):
    """Some names of other libraries that have one answer."""

    origin: str
    of: str
    names: str
    answer: str
    example: str


FIT = "Write Trainer(model, loss, optimizer).fit(x, y, epochs=10)."
EVALUATE = "Write Trainer(model, loss, optimizer).evaluate(x, y)."
OVERWRITTEN = "Each backward overwrites model.grads: there is nothing to set to zero."
PARAMETERS = "Write model.params, one flat vector, or model.named_parameters()."
CLIPPED = "Give fit callbacks=[ClipGradientNorm(limit)]."
GIVEN = "Each method of a callback gets the trainer as its argument."
INPUTS = "The previous layer determines it."
FROZEN = "Layers are frozen one by one: model.layers[i].trainable = False."
MODES = "There is no mode: write model.forward(x, training=False), or model.predict(x)."
SAVED = "Write save_model(model, path), and load_model(path) to read it."
SEED = "Write seed=0, a whole number."
ON_CPU = "tinynn computes on the processor: there is nothing to move."
BEST = "EarlyStopping always restores the best weights."
HOLD_OUT = (
    "Write (x, y), held_out = train_validation_split(x, y, 0.1, rng), then fit(x, y, ..., "
    "validation_data=held_out)."
)

ROWS = tuple(
    Row(*row)
    for row in (
        # names that tinynn has not
        ("T", "tinynn", "Linear", "Write Dense(units): the layer before it determines the number of inputs.", "tinynn.Linear(784, 10)"),
        ("T", "tinynn", "Module nn", "Write Sequential([...], input_shape=...), or a class of Layer: docs/own_layer.md.", "from tinynn import nn"),
        ("K", "tinynn", "Model Input InputLayer keras", "Write Sequential([...], input_shape=(784,)).", "tinynn.Input(shape=(784,))"),
        ("K", "tinynn", "Activation", "An activation is a layer: ReLU(), Tanh(), Softmax().", "tinynn.Activation('relu')"),
        ("TK", "tinynn", "Conv2d Convolution2D", "Write Conv2D(filters, size); channels stand last.", "tinynn.Conv2d(3, 16, 3)"),
        ("TK", "tinynn", "BatchNorm1d BatchNorm2d BatchNormalization", "Write BatchNorm().", "from tinynn import BatchNormalization"),
        ("K", "tinynn", "LayerNormalization", "Write LayerNorm().", "tinynn.LayerNormalization()"),
        ("TK", "tinynn", "MaxPool2d MaxPooling2D", "Write MaxPool2D(size).", "tinynn.MaxPool2d(2)"),
        ("TK", "tinynn", "AvgPool2d AveragePooling2D", "Write AveragePool2D(size).", "tinynn.AvgPool2d(2)"),
        ("TK", "tinynn", "AdaptiveAvgPool2d GlobalAveragePooling2D", "Write GlobalAveragePool2D().", "tinynn.GlobalAveragePooling2D()"),
        ("T", "tinynn", "CrossEntropyLoss", "Write SoftmaxCrossEntropy(), for logits and classes.", "tinynn.CrossEntropyLoss()"),
        ("T", "tinynn", "NLLLoss", "Write CrossEntropy(), for probabilities, after Softmax().", "tinynn.NLLLoss()"),
        ("K", "tinynn", "CategoricalCrossentropy SparseCategoricalCrossentropy", "Write CrossEntropy(), which takes classes and one-hot rows.", "tinynn.SparseCategoricalCrossentropy()"),
        ("TK", "tinynn", "BCELoss BinaryCrossentropy", "Write BinaryCrossEntropy(), for probabilities, after Sigmoid().", "tinynn.BCELoss()"),
        ("T", "tinynn", "BCEWithLogitsLoss", "Write SigmoidCrossEntropy(), for logits.", "tinynn.BCEWithLogitsLoss()"),
        ("T", "tinynn", "MSELoss", "Write MeanSquaredError().", "tinynn.MSELoss()"),
        ("S", "tinynn", "mean_squared_error", "Write MeanSquaredError().forward(p, y): predictions come first.", "tinynn.mean_squared_error([1], [1])"),
        ("T", "tinynn", "L1Loss", "Write MeanAbsoluteError().", "tinynn.L1Loss()"),
        ("T", "tinynn", "SmoothL1Loss HuberLoss", "Write Huber().", "tinynn.HuberLoss()"),
        ("TK", "tinynn", "RMSprop", "Write RMSProp().", "tinynn.RMSprop()"),
        ("T", "tinynn", "optim", "Write from tinynn import SGD, Adam, AdamW, RMSProp.", "from tinynn import optim"),
        ("K", "tinynn", "ModelCheckpoint", "Write Checkpoint(path) to resume a training, EarlyStopping() to keep the best weights, save_model(model, path) at the end.", "tinynn.ModelCheckpoint('best.keras')"),
        ("TK", "tinynn", "ReduceLROnPlateau", "Write ReduceOnPlateau().", "tinynn.ReduceLROnPlateau()"),
        ("TK", "tinynn", "StepLR MultiStepLR PiecewiseConstantDecay", "Write SGD(PiecewiseConstant(0.1, boundaries, rates)): a schedule is given as the learning rate.", "tinynn.StepLR(1, 30)"),
        ("T", "tinynn", "CosineAnnealingLR", "Write Adam(CosineDecay(1e-3)): a schedule is given as the learning rate.", "tinynn.CosineAnnealingLR(1, 100)"),
        ("T", "tinynn", "clip_grad_norm_", CLIPPED, "tinynn.clip_grad_norm_(1, 1.0)"),
        ("T", "tinynn", "DataLoader Dataset TensorDataset", "Give arrays to Trainer.fit(x, y, epochs=10, batch_size=32); in a loop of your own: minibatches(x, y, 32, rng).", "tinynn.DataLoader(1)"),
        ("T", "tinynn", "no_grad inference_mode", "Write model.predict(x), which stores nothing for backward.", "tinynn.no_grad()"),
        ("T", "tinynn", "tensor Tensor from_numpy", "Write np.asarray(...): tinynn computes on NumPy's arrays.", "tinynn.tensor([1.0])"),
        ("TK", "tinynn", "manual_seed set_random_seed", "Nothing is global: write Sequential(..., seed=0) and Trainer(..., seed=0).", "tinynn.manual_seed(0)"),
        ("K", "tinynn", "to_categorical", "Write one_hot(labels, classes); the losses take classes, too.", "tinynn.to_categorical([1], 3)"),
        ("S", "tinynn", "OneHotEncoder LabelBinarizer", "Write one_hot(labels, classes); the losses take classes, too.", "tinynn.LabelBinarizer()"),
        ("S", "tinynn", "MLPClassifier NeuralNetClassifier", "Write from tinynn.interop.sklearn import NeuralNetClassifier.", "tinynn.MLPClassifier((100,))"),
        ("S", "tinynn", "MLPRegressor NeuralNetRegressor", "Write from tinynn.interop.sklearn import NeuralNetRegressor.", "tinynn.MLPRegressor((100,))"),
        ("S", "tinynn", "train_test_split", "Write train_validation_split(x, y, 0.25, rng).", "from tinynn import train_test_split"),
        ("S", "tinynn", "KFold StratifiedKFold", "Write k_fold(y, 5, rng).", "tinynn.KFold(5)"),
        ("S", "tinynn", "StandardScaler", "Write standardise(x), a layer for the front of the model.", "tinynn.StandardScaler()"),
        ("S", "tinynn", "accuracy_score", "Write accuracy(p, y): predictions come first.", "tinynn.accuracy_score([1], [1])"),
        ("S", "tinynn", "roc_auc_score", "Write roc_auc(p, y): predictions come first.", "tinynn.roc_auc_score([1], [1])"),
        ("S", "tinynn", "classification_report", "Write per_class_report(p, y, names).", "tinynn.classification_report([1], [1])"),
        ("S", "tinynn", "f1_score precision_score recall_score", "Write per_class_report(p, y, names), which has all three.", "tinynn.f1_score([1], [1])"),
        ("T", "tinynn", "functional F", "A function of nn.functional is a layer, ReLU(), or a loss, CrossEntropy().", "from tinynn import functional"),
        ("T", "tinynn", "save load", SAVED, "tinynn.save(model, 'model.pt')"),
        ("T", "tinynn", "device cuda", ON_CPU, "tinynn.device('cuda')"),
        ("TK", "tinynn", "autograd GradientTape", "tinynn has no automatic differentiation: write model.backward(loss.backward(p, y)).", "tinynn.GradientTape()"),
        ("TK", "tinynn", "LearningRateScheduler LambdaLR", "A function of the step count t is a schedule: SGD(lambda t: 0.1 / t).", "tinynn.LambdaLR(1, 2)"),
        ("T", "tinynn", "ExponentialLR", "Write SGD(ExponentialDecay(0.1, 0.95)): a schedule is given as the learning rate.", "tinynn.ExponentialLR(1, 0.95)"),
        ("TK", "tinynn", "TensorBoard SummaryWriter", "Give fit callbacks=[RunPage('report.html')].", "tinynn.TensorBoard('logs')"),
        ("K", "tinynn", "callbacks models", "All public names stand in tinynn itself: from tinynn import Sequential, EarlyStopping.", "from tinynn import callbacks"),
        ("T", "tinynn", "FashionMNIST", "Write datasets.load_fashion_mnist().", "tinynn.FashionMNIST('data')"),
        # models
        ("TK", "Sequential", "trainable requires_grad requires_grad_", FROZEN, "model.requires_grad_(False)"),
        ("TK", "Sequential", "parameters weights trainable_weights", PARAMETERS, "model.parameters()"),
        ("S", "Sequential", "coefs_ intercepts_", PARAMETERS, "model.coefs_"),
        ("TK", "Sequential", "get_weights trainable_variables state_dict", PARAMETERS, "model.state_dict()"),
        ("TK", "Sequential", "set_weights load_state_dict", "Write model.params = vector.", "model.load_state_dict(1)"),
        ("TK", "Sequential", "grad gradients", "Write model.grads, one flat vector, or model.layers[i].dW.", "model.grad"),
        ("KS", "Sequential", "fit compile train_on_batch fit_generator optimizer loss partial_fit", FIT, "model.fit(x, y)"),
        ("KS", "Sequential", "evaluate score test_on_batch", EVALUATE, "model.score(x, y)"),
        ("TK", "Sequential", "train eval training", MODES, "model.eval()"),
        ("TK", "Sequential", "save save_weights load load_weights", SAVED, "model.save('model.keras')"),
        ("K", "Sequential", "add pop append", "Give all layers at once: Sequential([...]).", "model.add(Dense(3))"),
        ("T", "Sequential", "modules children named_modules named_children", "Write model.layers.", "model.children()"),
        ("T", "Sequential", "to float double half", "Write model.astype(np.float64).", "model.double()"),
        ("T", "Sequential", "cuda cpu device", ON_CPU, "model.cuda()"),
        ("T", "Sequential", "zero_grad", OVERWRITTEN, "model.zero_grad()"),
        ("K", "Sequential", "count_params", "Write model.params.size.", "model.count_params()"),
        ("KS", "Sequential", "predict_proba predict_on_batch", "Write model.predict(x).", "model.predict_proba(x)"),
        ("S", "Sequential", "decision_function predict_log_proba", "Write model.predict(x), which returns what the last layer gives.", "model.decision_function(x)"),
        ("S", "Sequential", "classes_ n_features_in_ loss_curve_ best_loss_", "Only estimators have it: from tinynn.interop.sklearn import NeuralNetClassifier.", "model.classes_"),
        ("K", "Sequential", "history metrics_names", "Write history = trainer.fit(x, y, epochs=10).", "model.history"),
        ("K", "Sequential", "output output_shape inputs outputs", "Write model.input_shape, and model.output_shapes[-1].", "model.output_shape"),
        ("K", "Sequential", "get_config to_json", "Write model.config().", "model.to_json()"),
        ("K", "Sequential", "get_layer", "Write model.layers[i].", "model.get_layer(index=0)"),
        ("TK", "Sequential", "clone copy", "Write copy.deepcopy(model).", "model.copy()"),
        ("T", "Sequential.backward()", "__missing__", "Write model.backward(loss.backward(p, y)).", "model.backward()"),
        ("K", "Sequential", "predict_classes", "Write model.predict(x).argmax(axis=1).", "model.predict_classes(x)"),
        ("S", "Sequential()", "random_state", SEED, "Sequential([Dense(3)], input_shape=(4,), random_state=0)"),
        ("K", "Sequential.predict()", "verbose", "Nothing is printed: leave it out.", "model.predict(x, verbose=0)"),
        # layers
        ("TK", "Layer", "requires_grad frozen", "trainable", "layer.requires_grad = False"),
        ("TK", "Layer", "input_dim in_features", INPUTS, "Dense(in_features=4, units=3)"),
        ("K", "Layer()", "input_shape", f"{INPUTS} That of the first layer: Sequential(layers, input_shape=(784,)).", "Dense(3, input_shape=(4,))"),
        ("TK", "Layer", "out_features output_dim", "Write units.", "Dense(out_features=3)"),
        ("K", "Layer", "activation", "Put a layer after it: Dense(512), ReLU().", "Dense(3, activation='relu')"),
        ("K", "Layer", "kernel_initializer", "Write initializer.", "Dense(3, kernel_initializer=he_normal)"),
        ("K", "Layer()", "use_bias", "bias", "Dense(3, use_bias=False)"),
        ("K", "Layer()", "kernel_regularizer", "Use AdamW(weight_decay=0.01).", "Dense(3, kernel_regularizer='l2')"),
        ("TK", "Layer()", "eps", "epsilon", "BatchNorm(eps=1e-3)"),
        ("T", "Layer()", "in_channels num_features", INPUTS, "Conv2D(16, 3, in_channels=3)"),
        ("T", "Layer()", "out_channels", "filters", "Conv2D(out_channels=3, size=3)"),
        ("TK", "Layer()", "kernel_size pool_size", "size", "Conv2D(16, kernel_size=3)"),
        ("K", "Layer()", "strides", "stride", "Conv2D(16, 3, strides=2)"),
        ("T", "Dropout()", "p", "rate", "Dropout(p=0.5)"),
        ("TK", "LeakyReLU()", "negative_slope alpha", "slope", "LeakyReLU(negative_slope=0.1)"),
        ("K", "GaussianNoise()", "stddev sigma", "std", "GaussianNoise(stddev=0.1)"),
        ("K", "Reshape()", "target_shape", "shape", "Reshape(target_shape=(2, 2))"),
        ("T", "Layer()", "inplace", "Leave it out: no layer changes its input.", "ReLU(inplace=True)"),
        ("TK", "Softmax()", "dim axis", "Leave it out: it goes over the last axis.", "Softmax(dim=1)"),
        ("T", "Flatten()", "start_dim end_dim", "Leave it out: a sample becomes one row.", "Flatten(start_dim=1)"),
        ("T", "GELU()", "approximate", "Write GELU(), the tanh form, or GELU(exact=True).", "GELU(approximate='tanh')"),
        ("K", "Layer()", "name", "A layer is named by its position and class, as 1.Dense.", "Dense(3, name='hidden')"),
        ("TK", "Layer()", "dtype", "Write Sequential(..., dtype=np.float64), for all layers.", "Dense(3, dtype='float64')"),
        ("K", "Layer()", "seed", "The model's seed decides: Sequential(..., seed=0).", "Dropout(0.5, seed=0)"),
        ("K", "Layer()", "data_format", "Leave it out: channels stand last.", "Conv2D(16, 3, data_format='channels_last')"),
        ("T", "Layer()", "normalized_shape", INPUTS, "LayerNorm(normalized_shape=3)"),
        ("TK", "Layer", "get_weights set_weights state_dict", "Write layer.W and layer.b, or layer.parameters().", "layer.get_weights()"),
        ("TK", "Layer", "eval train call", "There is no mode: write layer.forward(x, training=False).", "layer.eval()"),
        # a layer's parameters and their gradients, if it has any
        ("TKS", "parameter", "weight weights kernel w matrix coef_ coefs_", "W", "layer.weight"),
        ("TKS", "parameter", "bias biases offset intercept_ intercepts_", "b", "layer.intercept_"),
        ("T", "parameter", "grad weight_grad grad_weight kernel_grad gradient", "dW", "layer.grad"),
        ("T", "parameter", "bias_grad grad_bias", "db", "layer.bias_grad"),
        # losses
        ("TK", "Loss", "reduction", "Every loss is a mean over the batch.", "CrossEntropy(reduction='sum')"),
        ("K", "Loss", "label_smoothing", "Write CrossEntropy(label_smoothing=0.1), or SoftmaxCrossEntropy.", "MeanSquaredError().label_smoothing"),
        ("K", "Loss", "from_logits", "For logits, use SoftmaxCrossEntropy().", "CrossEntropy(from_logits=True)"),
        ("TS", "Loss()", "weight pos_weight class_weight", "class_weights", "CrossEntropy(weight=[1, 2, 3])"),
        ("T", "Loss", "item", "loss.forward(p, y) is a Python float.", "loss.item()"),
        ("T", "Loss.backward()", "__missing__", "Write dp = loss.backward(p, y), then model.backward(dp).", "loss.backward()"),
        # optimizers
        ("TKS", "Optimizer", "lr eta alpha learning_rate_init base_lr", "learning_rate", "Adam(lr=0.1)"),
        ("TK", "Optimizer", "eps", "epsilon", "Adam(eps=1e-7)"),
        ("T", "Optimizer", "betas", "Write beta1 and beta2.", "Adam(betas=(0.9, 0.99))"),
        ("KS", "Optimizer()", "beta_1", "beta1", "Adam(beta_1=0.9)"),
        ("KS", "Optimizer()", "beta_2", "beta2", "Adam(beta_2=0.99)"),
        ("K", "Optimizer", "rho", "Write momentum or beta2.", "SGD(rho=0.9)"),
        ("S", "Optimizer()", "nesterovs_momentum", "nesterov", "SGD(0.1, 0.9, nesterovs_momentum=True)"),
        ("T", "Optimizer", "param_groups", "All parameters have one learning_rate.", "optimizer.param_groups"),
        ("T", "Optimizer()", "params parameters", "An optimizer gets the parameters at each step: step(params, grads).", "Adam(params=model.params)"),
        ("TK", "Optimizer", "weight_decay", "Use AdamW(weight_decay=0.01).", "Adam(weight_decay=0.01)"),
        ("K", "Optimizer()", "decay", "Give a schedule as the learning rate: Adam(ExponentialDecay(...)).", "Adam(decay=1e-4)"),
        ("TK", "Optimizer", "global_clipnorm max_grad_norm", CLIPPED, "Adam(global_clipnorm=1.0)"),
        ("K", "Optimizer", "clipvalue", "Give fit callbacks=[ClipGradientValue(limit)].", "Adam(clipvalue=1.0)"),
        ("K", "Optimizer", "clipnorm", f"{CLIPPED} It takes the norm of all gradients, not of each array.", "Adam(clipnorm=1.0)"),
        ("K", "Optimizer", "apply_gradients minimize apply", "Write step(params, grads).", "optimizer.apply_gradients(1)"),
        ("TK", "Optimizer", "state_dict get_config", "Write state(), or config().", "optimizer.state_dict()"),
        ("T", "Optimizer", "load_state_dict", "Write load_state(state).", "optimizer.load_state_dict(1)"),
        ("T", "Optimizer", "zero_grad", OVERWRITTEN, "optimizer.zero_grad()"),
        ("T", "Optimizer.step()", "__missing__", "Write optimizer.step(model.params, model.grads).", "optimizer.step()"),
        ("TK", "Optimizer()", "amsgrad fused foreach maximize dampening", "Leave it out: tinynn has only the equations of its docstring.", "Adam(amsgrad=True)"),
        # callbacks
        ("K", "Callback", "model params trainer", GIVEN, "EarlyStopping().model"),
        ("K", "Callback", "restore_best_weights save_best_only", BEST, "EarlyStopping(restore_best_weights=True)"),
        ("TK", "Callback", "filename filepath", "path", "Checkpoint(filepath='run.npz')"),
        ("S", "Callback()", "n_iter_no_change", "patience", "EarlyStopping(n_iter_no_change=5)"),
        ("S", "Callback()", "tol", "min_delta", "EarlyStopping(tol=1e-4)"),
        ("K", "Callback()", "save_freq period", "Write every_epochs, or every_steps.", "Checkpoint('run.npz', save_freq=5)"),
        ("TK", "Callback()", "min_lr", "least", "ReduceOnPlateau(min_lr=1e-5)"),
        ("TK", "Callback()", "verbose", "Leave it out: only ProgressBar() and PrintLog() print.", "EarlyStopping(verbose=1)"),
        ("K", "CSVLogger()", "append", "Write if_exists: 'error', 'replace' or 'backup'.", "CSVLogger('log.csv', append=True)"),
        ("K", "Checkpoint()", "monitor save_weights_only", "A checkpoint is a whole run, to resume it; EarlyStopping() keeps the best weights.", "Checkpoint('run.npz', monitor='val_loss')"),
        # training
        ("T", "Trainer", "train", "Write fit(x, y, epochs=10).", "trainer.train()"),
        ("KS", "Trainer", "predict predict_proba predict_classes", "Write trainer.model.predict(x).", "trainer.predict(x)"),
        ("TS", "Trainer", "score test validate", "Write evaluate(x, y).", "trainer.score(x, y)"),
        ("K", "Trainer", "save", "Write save_model(trainer.model, path).", "trainer.save('model.keras')"),
        ("TK", "Trainer", "stop_training should_stop", "stop", "trainer.stop_training = True"),
        ("TK", "Trainer", "lr learning_rate", "Write trainer.optimizer.learning_rate.", "trainer.lr"),
        ("K", "Trainer", "compile", "Loss and optimizer are given before: Trainer(model, loss, optimizer).", "trainer.compile('adam')"),
        ("KS", "Trainer", "partial_fit train_on_batch train_step", "Write fit(x, y, epochs=1); step by step, the loop of examples/xor.py.", "trainer.partial_fit(x, y)"),
        ("T", "Trainer", "zero_grad", OVERWRITTEN, "trainer.zero_grad()"),
        ("T", "Trainer()", "criterion loss_fn", "loss", "Trainer(model, criterion=loss, optimizer=optimizer)"),
        ("KTS", "Trainer()", "epochs max_epochs batch_size callbacks", "Give it to fit: Trainer(model, loss, optimizer).fit(x, y, epochs=10, batch_size=32, callbacks=[]).", "Trainer(model, loss, optimizer, epochs=10)"),
        ("K", "Trainer.evaluate()", "batch_size verbose", "Leave it out: batches are as large as memory allows, and nothing is printed.", "trainer.evaluate(x, y, batch_size=32)"),
        ("S", "Trainer()", "random_state", SEED, "Trainer(model, loss, optimizer, random_state=0)"),
        ("K", "Trainer.fit()", "validation_split", HOLD_OUT, "trainer.fit(x, y, 1, validation_split=0.1)"),
        ("S", "Trainer.fit()", "validation_fraction early_stopping", f"{HOLD_OUT} To stop early, callbacks=[EarlyStopping()].", "trainer.fit(x, y, 1, validation_fraction=0.1)"),
        ("KS", "Trainer.fit()", "shuffle", "The samples are shuffled in each epoch; Trainer(..., seed=0) decides how.", "trainer.fit(x, y, 1, shuffle=True)"),
        ("KS", "Trainer.fit()", "verbose", "Give callbacks=[ProgressBar()], or PrintLog(); without them nothing is printed.", "trainer.fit(x, y, 1, verbose=1)"),
        ("TS", "Trainer.fit()", "max_iter n_epochs num_epochs nb_epoch max_epochs", "epochs", "trainer.fit(x, y, max_iter=10)"),
        ("K", "Trainer.fit()", "class_weight", "Give it to the loss: CrossEntropy(class_weights=[...]).", "trainer.fit(x, y, 1, class_weight={0: 2})"),
        ("K", "Trainer.fit()", "initial_epoch", "Write resume_from=, with the path of a checkpoint.", "trainer.fit(x, y, 1, initial_epoch=5)"),
        ("K", "Trainer.fit()", "steps_per_epoch", "An epoch takes every sample once.", "trainer.fit(x, y, 1, steps_per_epoch=5)"),
        ("K", "History", "history", "Write history['loss'], a number for each epoch; history.epochs has all.", "history.history"),
        ("KS", "History", "loss val_loss accuracy val_accuracy", "Write history['loss'], history['val_loss'] and so on.", "history.loss"),
        ("K", "History", "keys items values", "Write history.epochs, a list with a dictionary for each epoch.", "history.keys()"),
        ("S", "train_validation_split()", "test_size train_size validation_size", "size", "train_validation_split(x, y, test_size=0.2)"),
        ("S", "train_validation_split()", "random_state", "Write rng=np.random.default_rng(0).", "train_validation_split(x, y, 0.2, random_state=0)"),
        ("S", "train_validation_split()", "stratify", "Leave it out: classes give their shares.", "train_validation_split(x, y, 0.2, stratify=y)"),
        # texts where objects are expected
        ("K", "text", "categorical_crossentropy sparse_categorical_crossentropy cross_entropy", "Write CrossEntropy(), after Softmax(), or SoftmaxCrossEntropy(), on logits.", "Trainer(model, 'sparse_categorical_crossentropy', optimizer)"),
        ("S", "text", "balanced", "Write counts = np.bincount(y), and class_weights=len(y) / (len(counts) * counts).", "CrossEntropy(class_weights='balanced')"),
        ("K", "text", "binary_crossentropy", "Write BinaryCrossEntropy(), after Sigmoid(), or SigmoidCrossEntropy(), on logits.", "Trainer(model, 'binary_crossentropy', optimizer)"),
        ("KS", "text", "mse mean_squared_error squared_error", "Write MeanSquaredError().", "Trainer(model, 'mse', optimizer)"),
        ("KS", "text", "mae mean_absolute_error absolute_error", "Write MeanAbsoluteError().", "Trainer(model, 'mae', optimizer)"),
        ("K", "text", "huber", "Write Huber().", "Trainer(model, 'huber', optimizer)"),
        ("KS", "text", "adam", "Write Adam().", "Trainer(model, loss, 'adam')"),
        ("K", "text", "adamw", "Write AdamW().", "Trainer(model, loss, 'adamw')"),
        ("KS", "text", "sgd", "Write SGD().", "Trainer(model, loss, 'sgd')"),
        ("K", "text", "rmsprop", "Write RMSProp().", "Trainer(model, loss, 'rmsprop')"),
        ("KS", "text", "relu tanh sigmoid logistic gelu elu softmax", "An activation is a layer of its own, after it: Dense(8), ReLU().", "Dense(8, 'relu')"),
        ("K", "text", "he_normal he_uniform glorot_normal glorot_uniform lecun_normal orthogonal zeros", "Write the function of tinynn, without quotes: initializer=he_normal.", "Dense(8, initializer='he_normal')"),
        # what is called, or given at another place
        ("TK", "Sequential", "__call__", "Write model.forward(x) to train, model.predict(x) to predict.", "model(x)"),
        ("TK", "Layer", "__call__", "Give all layers to Sequential([...]); a layer alone is layer.forward(x).", "layer(x)"),
        ("TK", "Loss", "__call__", "Write loss.forward(p, y), a float; its gradient is loss.backward(p, y).", "loss(x, y)"),
        ("T", "place", "initializer", "The layer before it determines the number of inputs: write Dense(3).", "Dense(8, 3)"),
        ("T", "place", "learning_rate", "An optimizer gets the parameters at each step: step(params, grads).", "Adam(model.params)"),
    )
)  # fmt: skip

ANSWERS: dict[str, dict[str, str]] = {}
for row in ROWS:
    ANSWERS.setdefault(row.of, {}).update(dict.fromkeys(row.names.split(), row.answer))


def answer(name: str, *places: str) -> str:
    """Return what to write instead of a name of another library; "" for other names.

    places: where it was met, as in a row's `of`; the first that knows the name counts.

    >>> answer("lr", "Adam", "Optimizer"), answer("momentum", "Optimizer")
    ('Did you mean learning_rate?', '')
    """
    found = next((ANSWERS[one][name] for one in places if name in ANSWERS.get(one, {})), "")
    return f"Did you mean {found}?" if found.replace("_", "").isalnum() else found
