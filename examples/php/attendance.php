<?php
/**
 * Three attendances go in, one after the other and as a batch, and are waited for until they are final:
 *
 *     php attendance.php http://127.0.0.1:8551 http://127.0.0.1:8545 DATADIR/jwt.hex id.peruri.attendance.v1
 */

require __DIR__ . '/ActivityClient.php';

[, $writeUrl, $readUrl, $secretFile, $type] = $argv;
$client = new ActivityClient($writeUrl, $readUrl, $secretFile);

$attendance = function (string $userId) use ($type): array {
    $now = (int) (microtime(true) * 1000);
    $payload = json_encode(['employee' => $userId, 'event' => 'check-in', 'at' => $now]);
    // An application stores this in its outbox, in the transaction of the event itself.
    return ActivityClient::activity($type, $now, $userId, $payload);
};

$first = $attendance('P-100');
$accepted = $client->track($first);
echo "accepted {$accepted['activityId']} as number {$accepted['sourceSeq']}\n";

// The same again, as after a request that was not answered: the same number.
$again = $client->track($first);
echo "again    {$again['activityId']} as number {$again['sourceSeq']}\n";

$last = $accepted['sourceSeq'];
foreach ($client->submitBatch([$attendance('P-101'), $attendance('P-102')]) as $answer) {
    if (isset($answer['error'])) {
        fwrite(STDERR, "refused: {$answer['error']['message']}\n");
        exit(1);
    }
    echo "accepted {$answer['activityId']} as number {$answer['sourceSeq']}\n";
    $last = $answer['sourceSeq'];
}

for ($from = $accepted['sourceSeq']; $from <= $last; $from = $completions['next']) {
    $completions = $client->completions($from);
    foreach ($completions['items'] as $item) {
        echo "{$item['status']} {$item['activityId']} in block {$item['blockNumber']}, leaf {$item['leafIndex']}\n";
    }
}
