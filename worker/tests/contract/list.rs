//! The cases of the contract, and the products that have no means for each.

macro_rules! for_every_case {
    ($then:ident) => {
        $then! {
            is_ready_to_work: [];
            makes_one_work_item_that_says_all: [];
            finds_what_it_made_and_nothing_else: [];
            finds_two_of_one_key_oldest_first: [];
            notes_without_a_change_of_state: [];
            resolves_twice_and_reopens_twice: [];
            reads_what_a_person_resolved_and_reopens_it: [];
            reads_what_a_person_closed_as_closed: ["Zammad, described"];
            reads_the_code_with_which_a_person_ended_it: ["Request Tracker, real", "Zammad, described"];
            does_not_write_to_what_was_deleted: [];
            reads_what_was_merged_into_another_as_closed: ["ServiceNow", "ServiceDesk Plus, described"];
            follows_what_was_given_to_other_people: ["Request Tracker, real"];
            closes_a_double_with_a_link_to_the_original: [];
            calls_a_create_unknown_when_its_answer_is_lost_before_the_write: ["Request Tracker, real"];
            finds_what_a_create_made_whose_answer_was_lost: ["Request Tracker, real"];
            does_not_take_a_page_or_an_error_for_success: ["Request Tracker, real"];
            leaves_a_product_alone_for_as_long_as_it_asks: ["Request Tracker, real"];
            survives_or_reports_an_expired_login_and_writes_nothing_twice: ["Request Tracker, real"];
            finds_later_what_a_search_does_not_show_yet: ["Request Tracker, real"];
            does_not_believe_a_search_that_forgets_its_condition: ["ServiceNow", "Request Tracker, real"];
            does_not_believe_a_search_for_items_that_forgets_its_condition: ["ServiceNow", "Request Tracker, real", "Zammad, described"];
            reports_a_missing_permission_as_a_refusal: ["Request Tracker, real"];
            reports_a_missing_mandatory_field_in_the_products_words: ["Request Tracker", "Request Tracker, real"];
            notices_a_resolve_that_is_taken_back: ["Request Tracker, real"];
            takes_texts_of_any_length_and_kind: [];
            reaches_no_other_address_by_an_id_that_is_none: [];
            binds_the_only_item_that_an_id_or_a_name_fits: ["Zammad, described"];
            binds_an_item_later: ["Zammad, described"];
            binds_nothing_where_nothing_or_several_fit: ["Zammad, described"];
        }
    };
}
