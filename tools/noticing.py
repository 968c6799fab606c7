"""What is mutated, and which tests ought to notice it. Names files only."""

NAIVE = "tests/test_naive.py"
WHOLE = "tests/test_whole_vocabulary.py"
CORNERS = "tests/test_corners.py"


def _of(file: str, *tests: str) -> tuple[str, ...]:
    return tuple(f"{file}::{test}" for test in tests)


TESTS: dict[str, tuple[str, ...]] = {
    "modelcheck/machine/window.py": (
        CORNERS,
        f"{NAIVE}::test_the_whole_vocabulary",
        "tests/test_window.py",
    ),
    "modelcheck/machine/memory.py": (
        CORNERS,
        f"{NAIVE}::test_the_whole_vocabulary",
        "tests/test_memory.py",
    ),
    "modelcheck/machine/": (
        CORNERS,
        "tests/test_liveness.py",
        f"{NAIVE}::test_the_whole_vocabulary_on_two_cpus",
        f"{NAIVE}::test_the_whole_vocabulary",
    ),
    "modelcheck/protocol/actions.py": (CORNERS, "tests/test_kinds.py", WHOLE),
    "modelcheck/axiomatic/symbolic.py": ("tests/test_any_bytes.py",),
    "modelcheck/axiomatic/reasons.py": ("tests/test_explain.py",),
    "modelcheck/axiomatic/sequences.py": ("tests/test_explain.py",),
    "modelcheck/axiomatic/stories.py": ("tests/test_explain.py",),
    "modelcheck/axiomatic/": (
        CORNERS,
        f"{WHOLE}::test_axioms",
        *_of(
            "tests/test_axiomatic.py",
            "test_random_protocols",
            "test_random_protocols_with_a_trap_of_two_bytes",
            "test_random_protocols_of_weaker_machines",
            "test_the_reason_why_a_protocol_is_not_covered",
            "test_the_reason_why_a_handler_in_a_region_is_not_covered",
            "test_a_program_is_followed_as_far_as_it_goes",
            "test_each_axiom_counts",
            "test_random_regions",
            "test_random_patchers",
            "test_random_traps_in_regions",
            "test_random_programs_of_cpus",
        ),
    ),
    "modelcheck/certificate/": (
        f"{WHOLE}::test_certificates",
        *_of(
            "tests/test_certificate.py",
            "test_an_invariant_without_one_of_its_states_is_refused",
            "test_an_invariant_of_which_a_patcher_violates_something_is_refused",
            "test_counters_of_a_fixed_number_of_cpus_are_refused",
            "test_an_invariant_without_its_first_pair_does_not_begin",
            "test_a_proof_has_all_its_parts",
            "test_a_changed_text_is_refused",
            "test_an_invariant_is_no_proof_of_a_broken_variant",
            "test_an_invariant_of_one_property_is_no_proof_of_another",
            "test_whatever_a_patcher_is_called_two_solvers_read_its_proof",
            "test_only_what_the_obligations_show_is_claimed",
            "test_a_file_that_is_no_certificate_is_refused",
            "test_an_invariant_with_one_pair_less_is_refused",
        ),
    ),
    "modelcheck/explore/compiled/": (
        f"{WHOLE}::test_every_engine",
        "tests/test_compiled.py",
        "tests/test_conformance.py",
        "tests/test_checkpoint.py",
    ),
    "modelcheck/explore/behaviours.py": ("tests/test_diff.py",),
    "modelcheck/explore/any_number.py": (
        f"{CORNERS}::test_many_but_one_may_be_many",
        f"{WHOLE}::test_any_number",
        *_of(
            "tests/test_prove.py",
            "test_a_model_without_replicas_is_explored_too",
            "test_a_second_replica_is_part_of_the_abstraction",
            "test_where_sets_of_locals_are_too_coarse_the_abstraction_does_not_say_safe",
            "test_a_limit_is_no_proof",
            "test_an_interrupt_is_no_proof",
            "test_no_random_model_contradicts_its_proof",
            "test_random_models_catch_bugs_of_the_abstraction",
        ),
    ),
    "modelcheck/explore/": (
        "tests/test_minimal.py",
        "tests/test_reference.py",
        "tests/test_liveness.py",
        f"{WHOLE}::test_every_engine",
    ),
}
"""For each part, the tests that ought to notice its mutants, in the order in which they are run."""

PARTS = (
    "modelcheck/machine",
    "modelcheck/protocol/actions.py",
    "modelcheck/axiomatic",
    "modelcheck/certificate",
    "modelcheck/explore",
)
"""What decides a verdict or a proof."""

LEFT_OUT = (
    "modelcheck/explore/interrupts.py",  # Ctrl-C: processes of tests/test_faults.py
    "modelcheck/explore/conformance.py",  # tests of engines, not an engine
    "modelcheck/explore/table_models.py",  # the models of these tests
)


def noticing(path: str) -> tuple[str, ...]:
    """The tests that ought to notice the mutants of a file."""
    return next(tests for part, tests in TESTS.items() if path.startswith(part))
