"""Fine-tuning for token classification: what `spark_entities.jobs.finetune` is made of.

Enters: a recipe, CoNLL files, a base model. Leaves: a checkpoint with its tokenizer and model card.
Must not import: Spark, but for `distributed`, inside functions.

==============  =====================================================================
recipe          corpora, labels, hyper-parameters, from YAML
texts           CoNLL files ▶ running text, and for each word the labels it may have
examples        texts ▶ tokens, windows, targets, by the engine's own `encode` ▶ batches
network         a base checkpoint ▶ a network with a head for the labels ▶ a checkpoint
steps, loop     what a step is; development scores, early stopping
development     how well a network in training does on the development corpora
state           the checkpoint that a stopped run goes on from
card            the model card
run             all of it, from files to a folder
distributed     the same, in several processes
bundled_base    the base of the bundled model, out of an encoder as `packed_encoder` reads it
==============  =====================================================================
"""
