//! The stock instance, in excerpts: what an integration of incidents and configuration items sees.

use super::Kind;

/// Columns by name.
pub(super) type Columns = &'static [(&'static str, Kind)];

const STATES: Kind = Kind::Choice(&[
    ("1", "New"),
    ("2", "In Progress"),
    ("3", "On Hold"),
    ("6", "Resolved"),
    ("7", "Closed"),
    ("8", "Canceled"),
]);
const LEVELS: Kind = Kind::Choice(&[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")]);
const PRIORITIES: Kind = Kind::Choice(&[
    ("1", "1 - Critical"),
    ("2", "2 - High"),
    ("3", "3 - Moderate"),
    ("4", "4 - Low"),
    ("5", "5 - Planning"),
]);
const USER: Kind = Kind::Reference("sys_user");
const GROUP: Kind = Kind::Reference("sys_user_group");
const CI: Kind = Kind::Reference("cmdb_ci");

/// Columns of every table, computed.
pub(super) const SYSTEM: Columns = &[
    ("sys_id", Kind::Text(32)),
    ("sys_class_name", Kind::Text(80)),
    ("sys_created_on", Kind::DateTime),
    ("sys_created_by", Kind::Text(40)),
    ("sys_updated_on", Kind::DateTime),
    ("sys_updated_by", Kind::Text(40)),
    ("sys_mod_count", Kind::Number),
];

/// Columns of `incident` that follow from others.
pub(super) const INCIDENT_COMPUTED: Columns = &[
    ("number", Kind::Text(40)),
    ("priority", PRIORITIES),
    ("incident_state", STATES),
    ("active", Kind::Boolean),
    ("opened_at", Kind::DateTime),
    ("opened_by", USER),
    ("resolved_at", Kind::DateTime),
    ("resolved_by", USER),
    ("closed_at", Kind::DateTime),
    ("closed_by", USER),
    ("reopened_time", Kind::DateTime),
    ("reopened_by", USER),
    ("reopen_count", Kind::Number),
    ("calendar_duration", Kind::Text(40)),
    ("business_duration", Kind::Text(40)),
    ("made_sla", Kind::Boolean),
    ("child_incidents", Kind::Number),
];

const INCIDENT: Columns = &[
    ("short_description", Kind::Text(160)),
    ("description", Kind::Text(4000)),
    ("state", STATES),
    ("impact", LEVELS),
    ("urgency", LEVELS),
    ("severity", LEVELS),
    ("notify", Kind::Number),
    ("category", Kind::Text(40)),
    ("subcategory", Kind::Text(40)),
    ("contact_type", Kind::Text(40)),
    ("caller_id", USER),
    ("assigned_to", USER),
    ("assignment_group", GROUP),
    ("cmdb_ci", CI),
    ("business_service", CI),
    ("service_offering", CI),
    ("parent_incident", Kind::Reference("incident")),
    ("correlation_id", Kind::Text(100)),
    ("correlation_display", Kind::Text(100)),
    ("work_notes", Kind::Journal),
    ("comments", Kind::Journal),
    ("close_code", Kind::Text(40)),
    ("close_notes", Kind::Text(4000)),
    ("hold_reason", Kind::Number),
    ("escalation", Kind::Number),
    ("knowledge", Kind::Boolean),
    ("due_date", Kind::DateTime),
    ("work_start", Kind::DateTime),
    ("work_end", Kind::DateTime),
    ("approval", Kind::Text(40)),
    ("problem_id", Kind::Text(32)),
    ("rfc", Kind::Text(32)),
    ("location", Kind::Text(32)),
    ("company", Kind::Text(32)),
];

const CMDB_CI: Columns = &[
    ("name", Kind::Text(255)),
    ("fqdn", Kind::Text(255)),
    ("ip_address", Kind::Text(255)),
    ("asset_tag", Kind::Text(40)),
    ("serial_number", Kind::Text(255)),
    ("short_description", Kind::Text(1000)),
    ("correlation_id", Kind::Text(512)),
    ("install_status", Kind::Number),
    ("operational_status", Kind::Number),
    ("support_group", GROUP),
    ("owned_by", USER),
    ("discovery_source", Kind::Text(40)),
];

/// What the cloud classes add: the ARM id of the resource.
pub(super) const CLOUD: Columns = &[("object_id", Kind::Text(1024)), ("state", Kind::Text(40))];
const SERVER: Columns = &[("host_name", Kind::Text(255)), ("os", Kind::Text(255))];

/// Each class with its parent and its own columns, parents first.
pub(super) const CLASSES: &[(&str, &str, Columns)] = &[
    ("cmdb_ci_computer", "cmdb_ci", &[]),
    ("cmdb_ci_server", "cmdb_ci_computer", SERVER),
    ("cmdb_ci_win_server", "cmdb_ci_server", &[]),
    ("cmdb_ci_linux_server", "cmdb_ci_server", &[]),
    ("cmdb_ci_vm_object", "cmdb_ci", CLOUD),
    ("cmdb_ci_vm_instance", "cmdb_ci_vm_object", &[]),
    ("cmdb_ci_cloud_database", "cmdb_ci_vm_object", &[]),
    ("cmdb_ci_storage_account", "cmdb_ci_vm_object", &[]),
    ("cmdb_ci_cloud_load_balancer", "cmdb_ci_vm_object", &[]),
    ("cmdb_ci_resource_group", "cmdb_ci_vm_object", &[]),
    ("cmdb_ci_kubernetes_cluster", "cmdb_ci", &[]),
    ("cmdb_ci_appl", "cmdb_ci", &[]),
    ("cmdb_ci_service", "cmdb_ci", &[]),
];

const KEY_VALUE: Columns =
    &[("configuration_item", CI), ("key", Kind::Text(255)), ("value", Kind::Text(4000))];
const JOURNAL: Columns = &[
    ("element_id", Kind::Text(32)),
    ("element", Kind::Text(80)),
    ("name", Kind::Text(80)),
    ("value", Kind::Text(65_000)),
];
const CHOICE: Columns = &[
    ("name", Kind::Text(80)),
    ("element", Kind::Text(80)),
    ("label", Kind::Text(255)),
    ("value", Kind::Text(255)),
    ("inactive", Kind::Boolean),
    ("sequence", Kind::Number),
];
const SYS_USER: Columns =
    &[("user_name", Kind::Text(40)), ("name", Kind::Text(151)), ("active", Kind::Boolean)];
const SYS_USER_GROUP: Columns = &[("name", Kind::Text(80)), ("active", Kind::Boolean)];

/// The tables that hold rows, with the columns that callers can write.
pub(super) const ROOTS: &[(&str, Columns)] = &[
    ("incident", INCIDENT),
    ("cmdb_ci", CMDB_CI),
    ("cmdb_key_value", KEY_VALUE),
    ("sys_journal_field", JOURNAL),
    ("sys_choice", CHOICE),
    ("sys_user", SYS_USER),
    ("sys_user_group", SYS_USER_GROUP),
];
