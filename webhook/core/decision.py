"""The decision: facts and policy in, ``Skip`` or ``Mutate`` out.

It is a function of the pod as it stands, never of how often the API server has called: a pod that the webhook has changed before
is decided from what its user wrote, so the result is the same.

====================================================  ======================================
the pod                                               the decision
====================================================  ======================================
not Airflow's; restartPolicy Always; mode off         Skip
no sidecar now, and none can be injected              Skip
no sidecar now; mode label-only                       label and status
only native sidecars, after conversion                label, status, conversion
Spark, host network, Windows                          label, status with the reason, conversion
no or several possible task containers                label, status with the reason, conversion
no quit request, or one that would come too early     label, status with the reason, conversion
argv or shell unknown                                 label, status with the reason, conversion
any other                                             label, status, conversion, wrapper
====================================================  ======================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from webhook.core import names
from webhook.core.aggregate import exceeds, has_amounts
from webhook.core.blocked_init import BlockedInit, blocked_inits
from webhook.core.catalogue import Injectors
from webhook.core.cluster import NativeSupport
from webhook.core.condition import is_word
from webhook.core.container_end import ContainerEnd, container_ends, no_two_wait
from webhook.core.conversion import NO_CONVERSION, Conversion, are_the_same, convert, duplicates, late_meshes
from webhook.core.errors import MalformedPodError
from webhook.core.helper import is_helper, is_helper_place_taken
from webhook.core.mesh import PendingMesh, coming_mesh
from webhook.core.names import STATUS_ANNOTATION
from webhook.core.origin import RUNS_AIRFLOW_IMAGE, PodOrigin, pod_origin
from webhook.core.placement import names_virtual_node
from webhook.core.pod_options import Mode, ShellSource
from webhook.core.reasons import NotConvertedReason, Reason, SkipReason
from webhook.core.restart import restart_codes
from webhook.core.shell import word_after
from webhook.core.short_name import short_name_labels
from webhook.core.sidecar import MAX_NAME_CHARACTERS
from webhook.core.wrapper import HELPER_SHELL, IMAGE_SHELL, Entrypoint, EntrypointSource, Wrap

if TYPE_CHECKING:
    from webhook.core.catalogue import Catalogue, FoundSidecar
    from webhook.core.cluster import Cluster
    from webhook.core.facts import Facts
    from webhook.core.pod import Pod, PodSpec
    from webhook.core.policy import Policy
    from webhook.core.sidecar import InjectorHint

MAY_CONVERT: Final = frozenset({Mode.AUTO, Mode.NATIVE})
MAY_WRAP: Final = frozenset({Mode.AUTO, Mode.WRAP})
LABELS_AT_MOST: Final = frozenset({Mode.LABEL_ONLY, Mode.OFF})
"""The modes in which sidecars become native, in which the task is wrapped, and in which a pod gets neither."""

MAX_CONTAINERS: Final = 64
"""Anything in the cluster may post a review, and one container may cost 0.5 ms. Airflow's pods have fewer than ten."""

ISTIO_YES: Final = frozenset({"y", "yes", "true", "on"})
"""What Istio's injector reads as yes in ``sidecar.istio.io/inject``, in any case (pkg/kube/inject/inject.go injectRequired)."""

MIRROR_POD: Final = "kubernetes.io/config.mirror"
"""https://kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices/#mirror-pods"""


class Skip(msgspec.Struct, frozen=True):
    """Nothing is changed."""

    reason: SkipReason


class Mutate(msgspec.Struct, frozen=True):
    """What the pod is to become.

    Args:
        reason: Why.
        ends: How each container beside the task ends, where that is known.
        labels: Labels to set.
        annotations: Annotations to set, the status aside.
        wrap: How the main container is wrapped; None: it keeps the command that the user wrote.
        conversion: Which sidecars become native.
        no_native: What the cluster lacks, where that is why none does.
        uses_native: Whether sidecars of this pod may become native.
        may_wrap: Whether the task would be wrapped if a sidecar needed it, entrypoint and shell aside.
        restored: Native sidecars that have got back what another webhook removed, in this review or in an earlier one.
        converted: Native sidecars that this review or an earlier one has converted, and a later one may place anew.
        blocked: Init containers that a mesh cuts off from the network.

    """

    reason: Reason
    ends: dict[str, ContainerEnd]
    labels: dict[str, str]
    annotations: dict[str, str]
    wrap: Wrap | None
    conversion: Conversion
    no_native: NativeSupport | None
    uses_native: bool
    may_wrap: bool
    restored: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    blocked: tuple[BlockedInit, ...] = ()


Decision: TypeAlias = Skip | Mutate


def decide(facts: Facts, policy: Policy, cluster: Cluster) -> Decision:
    """Decide about one pod."""
    mode = facts.options.mode or policy.mode
    may_convert = mode in MAY_CONVERT
    cluster = cluster.for_pod(facts.pod)
    is_native = cluster.is_native
    uses_native = may_convert and is_native
    injectors = Injectors(policy.injectors, cluster.injectors, cluster.are_injectors_known)
    injector_annotations = _injector_annotations(facts, mode, policy.catalogue, injectors, uses_native=uses_native)
    is_out_of_mesh = _is_out_of_mesh(facts.pod)
    skip = _skip_reason(facts, cluster, mode, may_be_injected=bool(injector_annotations) or not is_out_of_mesh)
    if skip is not None:
        return Skip(skip)
    conversion = _conversion(facts, mode, policy, cluster, injectors) if uses_native else NO_CONVERSION
    after = conversion.after_conversion(facts)
    inits = conversion.order or [container.name for container in facts.pod.init_containers]
    result = _why_not_wrapped(after, mode) or _wrap(after, policy)
    wrap = result if isinstance(result, Wrap) else None
    ends = container_ends(after, is_wrapped=wrap is not None)
    return Mutate(
        reason=_why_wrapped(ends) if isinstance(result, Wrap) else result,
        ends=ends,
        labels={} if is_out_of_mesh else short_name_labels(facts.pod, policy.short_name),
        annotations=_in_time(injector_annotations, conversion, facts) | conversion.annotations,
        wrap=wrap,
        conversion=conversion,
        no_native=cluster.support if may_convert and (facts.sidecars or facts.others) and not is_native else None,
        uses_native=uses_native,
        may_wrap=wrap is not None or _may_wrap(facts, mode),
        restored=after.restored,
        converted=after.converted,
        blocked=tuple(blocked_inits(after, inits, policy.catalogue, injectors, uses_native=uses_native)),
    )


def _conversion(facts: Facts, mode: Mode, policy: Policy, cluster: Cluster, injectors: Injectors) -> Conversion:
    awaits_injection = bool(facts.sidecars) and policy.catalogue.awaits_injection(facts.pod, injectors)
    return convert(facts, cluster, _coming_mesh(facts, mode, policy, injectors), awaits_injection=awaits_injection)


def _coming_mesh(facts: Facts, mode: Mode, policy: Policy, injectors: Injectors) -> PendingMesh:
    """The mesh proxy that the pod has yet to get."""
    if not (facts.sidecars or facts.native_sidecars or facts.unmarked):
        # Nothing would wait for it: so most pods are when they come first.
        return PendingMesh.NONE
    coming = coming_mesh(facts, policy.catalogue, injectors)
    if coming is PendingMesh.POSSIBLE and (_why_not_wrapped(facts, mode) or not isinstance(_wrap(facts, policy), Wrap)):
        return PendingMesh.POSSIBLE_UNWRAPPED
    return coming


def _may_wrap(facts: Facts, mode: Mode) -> bool:
    return mode in MAY_WRAP and facts.origin is not PodOrigin.SPARK and _why_no_wrapper_fits(facts) is None


def _why_wrapped(ends: dict[str, ContainerEnd]) -> Reason:
    return Reason.SOME_KEEP_RUNNING if ContainerEnd.KEEPS_RUNNING in ends.values() else Reason.SIDECARS_QUIT


def skip_unread(pod: Pod) -> SkipReason | None:
    """Why a pod is skipped before it is read in full: most pods of a cluster are not Airflow's, and anybody may post any pod.

    Raises:
        MalformedPodError: No container may have a name of that length.

    """
    if MIRROR_POD in pod.annotations:
        return SkipReason.MIRROR_POD
    if pod_origin(pod) is None:
        return SkipReason.SPARK_SUBMIT if pod.labels.get(names.SPARK_ROLE_LABEL) in names.SPARK_ROLES else SkipReason.NOT_AIRFLOW
    all_names = [container.name for container in (*pod.spec.containers, *pod.init_containers)]
    if len(all_names) > MAX_CONTAINERS:
        return SkipReason.TOO_MANY_CONTAINERS
    if len("".join(all_names)) > MAX_NAME_CHARACTERS and max(map(len, all_names)) > MAX_NAME_CHARACTERS:
        message = f"the name of a container is longer than {MAX_NAME_CHARACTERS} characters"
        raise MalformedPodError(message)
    return SkipReason.DUPLICATE_NAMES if _has_duplicate_names(pod.spec, all_names) else None


def _has_duplicate_names(spec: PodSpec, names: list[str]) -> bool:
    """Whether two containers or two volumes have one name.

    A native sidecar may, and one from which another webhook has removed what makes it native: what its injector has added again is removed.
    """
    if spec.volumes and len({volume.name for volume in spec.volumes}) < len(spec.volumes):
        return True
    if len(set(names)) == len(names):
        return False
    regular, inits = spec.container_names, spec.initContainers or []
    plain = {init.name for init in inits if not (init.is_native_sidecar or init.has_native_fields)}
    return len(set(regular)) < len(regular) or len(spec.init_container_names) < len(inits) or not plain.isdisjoint(regular)


def _skip_reason(facts: Facts, cluster: Cluster, mode: Mode, *, may_be_injected: bool) -> SkipReason | None:
    if _restart_policy(facts) not in {"Never", "OnFailure"}:
        return SkipReason.LONG_RUNNING
    if mode is Mode.OFF:
        return SkipReason.SWITCHED_OFF
    if not (may_be_injected or facts.sidecars or facts.native_sidecars or facts.unmarked or facts.is_wrapped):
        return SkipReason.NOT_IN_MESH
    return SkipReason.DUPLICATE_NAMES if _has_other_namesake(facts, cluster) else None


def _has_other_namesake(facts: Facts, cluster: Cluster) -> bool:
    """Whether a regular container has the name of an init container that is not the same one, made native."""
    spec = facts.pod.spec
    if not spec.initContainers or spec.init_container_names.isdisjoint(spec.container_names):
        return False
    twice = duplicates(facts)
    others = spec.init_container_names.intersection(spec.container_names).difference(twice)
    return bool(others) or not are_the_same(tuple([name for name in twice if not _is_rendered_natively(name, facts)]), facts, cluster)


def _is_rendered_natively(name: str, facts: Facts) -> bool:
    """Whether an annotation has its injector render this sidecar natively: then both may be the injector's own.

    Istio does so where a template of the mesh's own names the proxy under ``containers`` (istio/istio#56455). Before the injection nothing
    shows that, so without this the annotation that the webhook sets would be the reason why the pod is refused.
    """
    hint = _native_hint(name, facts)
    return hint is not None and all(facts.pod.annotations.get(key) == value for key, value in hint.annotations.items())


def _native_hint(name: str, facts: Facts) -> InjectorHint | None:
    """The annotations by which the injector of this sidecar renders it natively; None: it has none."""
    native = facts.rows[name].native
    return native.hint if native is not None else None


def _in_time(annotations: dict[str, str], conversion: Conversion, facts: Facts) -> dict[str, str]:
    """Those that do not come too late.

    An injector that is called again makes its regular container native where such an annotation has come since. In the first review of a
    pod that is welcome, since the API server then calls the webhook again; after a later one it might not, and the task would stay wrapped.
    A pod with the status of an audit is reviewed for the first time, as one that has none.
    """
    is_first = STATUS_ANNOTATION not in facts.pod.annotations or facts.before.is_audited
    if is_first or NotConvertedReason.REINJECTION not in conversion.not_converted.values():
        return annotations
    late: set[str] = set()
    for name, reason in conversion.not_converted.items():
        hint = _native_hint(name, facts)
        if reason is NotConvertedReason.REINJECTION and hint is not None:
            late.update(hint.annotations)
    return {key: value for key, value in annotations.items() if key not in late or key in facts.pod.annotations}


def _restart_policy(facts: Facts) -> str | None:
    """The main container's own (KEP-5307, Kubernetes 1.34), else the pod's."""
    main = facts.main_container
    return (main.restartPolicy if main else None) or facts.pod.spec.restartPolicy


def _is_out_of_mesh(pod: Pod) -> bool:
    """Istio injects neither into host-network pods nor where the label, else the annotation, says other than yes (inject.go)."""
    inject = pod.labels.get("sidecar.istio.io/inject") or pod.annotations.get("sidecar.istio.io/inject")
    return pod.spec.hostNetwork is True or (bool(inject) and not is_word(str(inject), ISTIO_YES, any_case=True))


def _why_not_wrapped(facts: Facts, mode: Mode) -> Reason | None:
    """Why this pod keeps its command, entrypoint and shell aside; None: it is to be wrapped."""
    if mode in LABELS_AT_MOST:
        return Reason.LABEL_ONLY
    if not facts.sidecars:
        return _why_no_sidecar(facts)
    if facts.origin is PodOrigin.SPARK:
        return Reason.SPARK
    to_be_ended = [one for one in facts.sidecars if one.quit or not one.ends_by_itself]
    if not to_be_ended and no_two_wait(facts.sidecars):
        return Reason.UNKNOWN_CONTAINER if facts.others else Reason.ENDS_BY_ITSELF
    if mode not in MAY_WRAP:
        return Reason.NATIVE_ONLY
    return _why_no_wrapper_fits(facts) or _why_no_quit_helps(facts)


def _why_no_wrapper_fits(facts: Facts) -> Reason | None:
    if facts.pod.spec.hostNetwork is True:
        return Reason.HOST_NETWORK
    if facts.names_windows:
        return Reason.WINDOWS
    if facts.main is None:
        return Reason.MAIN_CONTAINER_AMBIGUOUS if facts.others else Reason.NO_MAIN_CONTAINER
    return None


def _why_no_quit_helps(facts: Facts) -> Reason | None:
    if not [one for one in facts.sidecars if one.quit]:
        return Reason.NO_QUIT
    return Reason.OUTLIVES_TASK if facts.outlasting else None


def _why_no_sidecar(facts: Facts) -> Reason:
    if facts.native_sidecars:
        return Reason.SIDECARS_NATIVE
    pod = facts.pod
    is_ambient = pod.labels.get("istio.io/dataplane-mode") == "ambient" or "ambient.istio.io/redirection" in pod.annotations
    return Reason.AMBIENT_MESH if is_ambient else Reason.NO_SIDECAR


def _wrap(facts: Facts, policy: Policy) -> Wrap | Reason:
    entrypoint = _entrypoint(facts, policy)
    if entrypoint is None:
        return Reason.ENTRYPOINT_UNKNOWN
    shell = _shell(facts, policy, entrypoint)
    if shell is None:
        return Reason.SHELL_UNKNOWN
    if shell == HELPER_SHELL and is_helper_place_taken(facts.pod, facts.main_container):
        return Reason.HELPER_NAME_TAKEN
    options = facts.options
    return Wrap(
        entrypoint=entrypoint,
        sidecars=tuple([sidecar for sidecar in _startable(facts) if sidecar.quit or sidecar.ready]),
        wait_seconds=policy.wait_seconds if options.wait_seconds is None else options.wait_seconds,
        when_not_ready=options.when_not_ready or policy.when_not_ready,
        restart_codes=restart_codes(facts.main_container, facts.pod.spec.restartPolicy) if facts.main_container else frozenset(),
        shell=shell,
    )


def _startable(facts: Facts) -> tuple[FoundSidecar, ...]:
    """The sidecars, where the task may wait for each one without a readiness check of those that may start only after it.

    The kubelet starts a container once the postStart hooks of those before it have ended, and a hook may wait for the task itself. The hook
    of a known sidecar waits for that sidecar.
    """
    order, main = facts.pod.spec.containers, facts.main or 0
    from_main = [(place, one) for place, one in enumerate(order) if place >= main and one.has_post_start]
    hooks = [place for place, one in from_main if place == main or one.name not in facts.rows]
    if not hooks:
        return facts.sidecars
    late = {container.name for container in order[hooks[0] + 1 :]}
    return tuple([msgspec.structs.replace(one, ready=None, alive=None) if one.name in late else one for one in facts.sidecars])


def _entrypoint(facts: Facts, policy: Policy) -> Entrypoint | None:
    """Command, else annotation, else table, else, where the policy allows it, a guess: about Airflow's own images only."""
    main = facts.main_container
    if main is None:
        return None
    if facts.argv.command is not None:
        return Entrypoint(EntrypointSource.COMMAND, facts.argv.command)
    if facts.options.entrypoint is not None:
        return Entrypoint(EntrypointSource.ANNOTATION, facts.options.entrypoint)
    row = policy.entrypoints.entrypoint_of(main.image or "")
    if row is not None:
        words = row.words(has_args=bool(facts.argv.args))
        return None if words is None else Entrypoint(EntrypointSource.TABLE, words)
    if policy.guesses_entrypoint and facts.origin in RUNS_AIRFLOW_IMAGE and facts.argv.args:
        return Entrypoint(EntrypointSource.GUESSED, candidates=policy.entrypoints.candidates)
    return None


def _shell(facts: Facts, policy: Policy, entrypoint: Entrypoint) -> tuple[str, ...] | None:
    """The words that start the wrapper's shell: the image's, where something says which there is, else the helper's."""
    option = facts.options.shell
    known = _known_shell(facts, policy, entrypoint) if option is None else None
    if known is not None or option is ShellSource.IMAGE:
        return known or IMAGE_SHELL
    # virtual-kubelet/azure-aci refuses an init container with resources, which the helper has where the task has.
    return HELPER_SHELL if policy.helper_image and not names_virtual_node(facts.pod, frozenset()) else None


def _known_shell(facts: Facts, policy: Policy, entrypoint: Entrypoint) -> tuple[str, ...] | None:
    """``/bin/sh`` in images that are known to have it, else the shell that the command itself starts with."""
    main = facts.main_container
    if facts.origin in RUNS_AIRFLOW_IMAGE or (main is not None and policy.entrypoints.has_shell(main.image or "")):
        return IMAGE_SHELL
    if not entrypoint.words:
        return None
    program = entrypoint.words[0]
    more = word_after(program)
    return None if more is None else (program, *more)


def _has_large_init(facts: Facts, catalogue: Catalogue) -> bool:
    """Whether a native sidecar in front of the user's init containers would raise the pod's aggregate, by which it may be refused.

    An injector puts its own in front of them; the webhook moves what the injector has rendered as a regular container behind them instead.
    """
    inits = [one for one in facts.pod.init_containers if not (one.is_native_sidecar or is_helper(one) or one.name in facts.unmarked)]
    task = [one for one in facts.pod.spec.containers if one.name not in facts.rows]
    return any(exceeds(one, task) for one in inits if has_amounts(one) and not catalogue.is_injected_init(one.name))


def _injector_annotations(facts: Facts, mode: Mode, catalogue: Catalogue, injectors: Injectors, *, uses_native: bool) -> dict[str, str]:
    """Annotations for the injectors in play; never a value other than the user's own.

    Whether a sidecar is there yet plays no part: the result must be the same in every order of this webhook and the injectors. On the
    host's network nothing is injected, and a quit endpoint would be open to everybody on the node.
    """
    if mode in LABELS_AT_MOST or facts.pod.spec.hostNetwork is True:
        return {}
    regular: frozenset[str] = frozenset()
    hints: list[InjectorHint] = []
    if uses_native:
        # Where none becomes native it plays no part which ones stay regular.
        regular = facts.awaited_by_kubexit.union([sidecar.id for sidecar in facts.options.sidecars if sidecar.native is None])
        # The injector of a late mesh proxy would render it before the init containers that it needs.
        hints = catalogue.native_hints(facts.pod, injectors, regular | late_meshes(facts))
    if hints and (_has_large_init(facts, catalogue) or catalogue.awaits_injection(facts.pod, injectors)):
        hints = []
    quit_hints = catalogue.quit_hints(facts.pod, injectors, beside_native=uses_native, regular=regular)
    if quit_hints and mode is not Mode.NATIVE and facts.origin is not PodOrigin.SPARK and not facts.names_windows:
        hints += quit_hints
    annotations: dict[str, str] = {}
    for hint in hints:
        if not hint.is_refused(facts.pod):
            # The user's own word for yes stays as it is.
            annotations |= {key: facts.pod.annotations.get(key, value) for key, value in hint.annotations.items()}
    return annotations
