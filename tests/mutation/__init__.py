"""Mutation testing of the rules and of the certificate authority.

mutmut changes one place of a function at a time; the changed function is a mutant. A mutant is killed by a test that fails with it. One that no
test kills has survived: a test is missing, or the change makes no difference. `copies` writes a copy of the project with all mutants in it,
of which one at a time can be switched on. `runner` collects the tests there once, and tries each mutant in a fork of that process, on the tests
that call the mutant's function.
"""
