"""The engine's arithmetic, on flat arrays of a whole buffer of documents; a network does the rest.

Enters: texts, a tokenizer, and what a network says of each token. Leaves: Arrow rows of entities.
Must not import: pyspark, torch, transformers; of udfs, `options` and `errors` alone.

    text ▶ tokenization ▶ words ▶ windows ▶ batching ▶ (network) ▶ aggregation ▶ results
    `records` travel between them; `labels` says what the network's labels mean
"""
