# Fills an empty Request Tracker with what the tests use, and writes the tokens of its users to a file.
#
# The names come as arguments, `queue=…`, so that they are written down once, in src/request_tracker.rs.
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib';
use RT -init;

my %argument = map { split /=/, $_, 2 } @ARGV;
my $system = RT->SystemUser;

sub argument {
    my ($key) = @_;
    return $argument{$key} // die "argument $key is missing\n";
}

# RT's methods do not die: they return a false value and a message.
sub done {
    my ($what, $id, $message) = @_;
    die "$what: $message\n" unless $id;
    return $id;
}

sub user {
    my ($name) = @_;
    my $user = RT::User->new($system);
    done("user $name", $user->Create(Name => $name, EmailAddress => "$name\@localhost", Privileged => 1));
    return $user;
}

sub field {
    my ($name, $type, $owner) = @_;
    my $field = RT::CustomField->new($system);
    done("field $name",
        $field->Create(Name => $name, Type => 'Freeform', MaxValues => 1, LookupType => $type));
    done("field $name", $field->AddToObject($owner));
}

sub grant {
    my ($user, $object, @rights) = @_;
    for my $right (@rights) {
        done("right $right", $user->PrincipalObj->GrantRight(Right => $right, Object => $object));
    }
}

sub token {
    my ($user) = @_;
    my $token = RT::AuthToken->new($system);
    my ($id, $message, $secret) = $token->Create(Owner => $user->id, Description => 'tests');
    done('token', $id, $message);
    return $secret;
}

my $queue = RT::Queue->new($system);
done('queue', $queue->Create(Name => argument('queue')));
field(argument('key_field'), RT::Ticket->CustomFieldLookupType, $queue);
field(argument('severity_field'), RT::Ticket->CustomFieldLookupType, $queue);

# Tickets are moved here; it has neither the fields nor rights for the connector.
done('queue', RT::Queue->new($system)->Create(Name => argument('other_queue')));

my $catalog = RT::Catalog->new($system);
done('catalog', $catalog->Create(Name => argument('catalog')));
field(argument('resource_field'), RT::Asset->CustomFieldLookupType, $catalog);

# What a connector needs, and not more.
my $connector = user(argument('user'));
grant($connector, $queue, qw(SeeQueue ShowTicket ShowTicketComments CreateTicket ModifyTicket CommentOnTicket));
grant($connector, $queue, qw(SeeCustomField ModifyCustomField));
grant($connector, $catalog, qw(ShowCatalog ShowAsset SeeCustomField));

# Enough to create a ticket, which then lacks its custom fields and cannot be read back.
my $limited = user(argument('limited_user'));
grant($limited, $queue, qw(SeeQueue CreateTicket));
grant($limited, $catalog, qw(ShowCatalog ShowAsset));

my $admin = user(argument('admin_user'));
grant($admin, RT->System, 'SuperUser');

open my $file, '>', argument('tokens') or die "tokens: $!\n";
print {$file} "$_\n" for map { token($_) } $connector, $limited, $admin;
close $file or die "tokens: $!\n";
