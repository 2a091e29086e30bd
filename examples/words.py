r"""The most frequent words of some texts: a workflow in Python that uses tasks of another file.

dalsegno try examples/words.py --import examples/examples_tasks.py \
    --input '{"texts": ["to be or not to be", "be quick"], "top": 3}'
"""

from examples_tasks import count_words, merge_counts

from orchestrator.authoring import Retry, Workflow, size

flow = Workflow("words", timeout="5m", description="Counts words in two halves at a time.")

split = flow.task("split", "words.split", texts=flow.input.texts)

both = flow.parallel("both")
with both.branch("first"):
    first = flow.task("count_first", count_words, texts=split.output.first)
with both.branch("second"):
    second = flow.task("count_second", count_words, texts=split.output.second)
    second.when(size(split.output.second) > 0)
for half in (first, second):
    half.retry(Retry(attempts_max=3, initial_s=0.2)).timeouts("1m").needs(cpu=1)

merged = flow.task("merge", merge_counts, counts=[first.output, second.output], top=flow.input.top)
flow.output(words=merged.output, texts=size(flow.input.texts))
