"""The journal's lock."""

from study.storage.journal import JournalFile, _MendingLock


def test_who_was_stopped_for_too_long_while_it_held_the_lock_leaves_it_to_whoever_took_it(tmp_path):
    journal = tmp_path / "j"
    JournalFile(str(journal))
    stopped, other = _MendingLock(str(journal)), _MendingLock(str(journal))
    other.grace_period = 0.01
    assert stopped.acquire()
    assert other.acquire()
    stopped.release()
    assert (tmp_path / "j.lock").is_symlink()
    other.release()
    assert not (tmp_path / "j.lock").is_symlink()
    assert stopped.acquire()
    assert other.acquire()
    other.release()
    stopped.release()
