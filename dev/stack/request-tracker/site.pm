# The configuration of a private Request Tracker: RT evaluates this file instead of those in /etc/request-tracker5.
#
# Everything that RT writes has its place in the folder that the environment names, so that two of them side by side
# share nothing, and none touches what the system's own RT keeps below /var.
my $home = $ENV{SECURE_EXPORT_RT_HOME} or die 'SECURE_EXPORT_RT_HOME is not set';
my $port = $ENV{SECURE_EXPORT_RT_PORT} or die 'SECURE_EXPORT_RT_PORT is not set';

Set($rtname, 'secure-export');
Set($Organization, 'localhost');
Set($CorrespondAddress, 'rt@localhost');
Set($CommentAddress, 'rt-comment@localhost');

# The addresses in RT's answers are made of these, not of the request.
Set($WebPath, '');
Set($WebDomain, '127.0.0.1');
Set($WebPort, $port);
Set($WebBaseURL, "http://127.0.0.1:$port");

# As RT is shipped, by a name that every system knows: far from UTC, so that a confusion of the two shows.
Set($Timezone, 'America/New_York');

Set($DatabaseType, 'SQLite');
Set($DatabaseName, "$home/rt.sqlite");

# No mail leaves the machine: each message is appended to a file.
Set($MailCommand, 'testfile');
$Mail::Mailer::testfile::config{outfile} = "$home/mail.txt";

# Otherwise what RT makes of HTML depends on which browsers for terminals the machine has.
Set($HTMLFormatter, 'core');

Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($LogDir, $home);

# RT checks a token by bcrypt at every request. At the cost it is shipped with, 12, the check takes longer than all
# the rest, and a test learns nothing from it.
Set($BcryptCost, 4);

Set(%GnuPG, Enable => 0);
Set(%SMIME, Enable => 0);

$RT::VarPath = $home;
$RT::MasonDataDir = "$home/mason";
$RT::MasonSessionDir = "$home/sessions";
for my $folder ($RT::MasonDataDir, $RT::MasonSessionDir) {
    -d $folder or mkdir $folder or die "$folder: $!";
}

# What an administrator of this machine has added to the system's RT stays out.
$RT::LocalPath = "$home/local";
$RT::LocalEtcPath = "$home/local/etc";
$RT::LocalLibPath = "$home/local/lib";
$RT::LocalLexiconPath = "$home/local/po";
$RT::LocalStaticPath = "$home/local/static";
$RT::LocalPluginPath = "$home/local/plugins";
$RT::MasonLocalComponentRoot = "$home/local/html";

1;
