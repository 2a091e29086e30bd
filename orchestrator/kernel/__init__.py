"""The pure core: `decide(state, input, env) -> facts` and `evolve(state, fact)`. No IO, no clock,
no chance.
"""
