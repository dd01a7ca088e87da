import threading
import time

import pytest
import torch

from nsh_core.in_order import in_order


def test_results_come_in_the_order_of_the_tasks_whichever_ends_first():
    def work(task: int) -> int:
        time.sleep(0.01 * (3 - task % 3))
        return task**2

    assert list(in_order(work, range(10), 3)) == [task**2 for task in range(10)]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_begun_than_memory_is_meant_for(threads):
    begun = []
    results = in_order(begun.append, range(20), threads)
    for handed_over, _ in enumerate(results, 1):
        assert len(begun) <= handed_over + threads + 1
    assert sorted(begun) == list(range(20))


def test_torch_takes_one_thread_in_each_and_as_many_as_before_afterwards(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        seen = set(in_order(lambda _: torch.get_num_threads(), range(8), 2))
        assert seen == {1}
        assert torch.get_num_threads() == 3
        for left in (in_order(str, range(8), 2), in_order(lambda task: 1 // task, range(8), 2)):
            try:
                next(left)
            except ZeroDivisionError:
                continue
            left.close()
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def test_what_a_task_raises_is_raised_in_its_turn():
    results = in_order(lambda task: 6 // (2 - task), range(6), 2)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
