"""Training and generation on a Ray cluster: who starts what where, and how its news comes back.

What a worker does is `finetune_kit.engine.ray_worker` and `finetune_kit.generation`; here nothing loads a model.
"""
