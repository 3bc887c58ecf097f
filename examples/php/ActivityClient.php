<?php
/**
 * A client of the activity mirror for PHP 7.4 and newer, with the extensions `curl`, `hash` and `json`
 * only. In CodeIgniter 3 put it into application/libraries and load it with its configuration.
 *
 * The caller keeps three things of every activity until its completion was seen, in one table of its own
 * database (an outbox): the activity id, the whole object that was sent, and the salt, which is part of
 * it. Sending the same object again is always safe: the answer is that of the first time.
 */

/** An error that the node answered with. */
class ActivityError extends RuntimeException
{
    /** Member `data` of the error, for programs. */
    public $data;

    public function __construct(string $message, int $code, array $data = [])
    {
        parent::__construct($message, $code);
        $this->data = $data;
    }
}

/** No answer: nobody knows whether the request arrived. The same request again is safe. */
class ActivityUnreachable extends RuntimeException
{
}

class ActivityClient
{
    const FULL = -32005;
    const MOST_IN_BATCH = 1000;

    private $writeUrl;
    private $readUrl;
    private $secret;
    private $timeout;

    /**
     * @param string $writeUrl   authenticated server of the node, e.g. http://127.0.0.1:8551
     * @param string $readUrl    public server, e.g. http://127.0.0.1:8545
     * @param string $secretFile the node's jwt.hex: 64 hexadecimal digits, `0x` or not
     * @param int    $timeout    seconds that a request may take
     */
    public function __construct(string $writeUrl, string $readUrl, string $secretFile, int $timeout = 15)
    {
        $text = @file_get_contents($secretFile);
        $digits = preg_replace('/^0x/', '', trim((string) $text));
        if (!preg_match('/^[0-9a-fA-F]{64}$/', $digits)) {
            throw new InvalidArgumentException("$secretFile: expected 64 hexadecimal digits");
        }
        $this->writeUrl = $writeUrl;
        $this->readUrl = $readUrl;
        $this->secret = hex2bin($digits);
        $this->timeout = $timeout;
    }

    /** A token for one request: JWT (RFC 7519) with HS256; the node takes it for 60 seconds around `iat`. */
    public function token(): string
    {
        $base64url = function (string $bytes): string {
            return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
        };
        $signed = $base64url('{"alg":"HS256","typ":"JWT"}') . '.' . $base64url('{"iat":' . time() . '}');
        return $signed . '.' . $base64url(hash_hmac('sha256', $signed, $this->secret, true));
    }

    /** A new activity in the track form, with a salt of its own. Store it before you send it. */
    public static function activity(string $type, int $occurredAtMs, string $userId, string $payload): array
    {
        return [
            'activityId' => self::uuid(),
            'type' => $type,
            'occurredAt' => $occurredAtMs,
            'userId' => $userId,
            'payload' => base64_encode($payload),
            'salt' => '0x' . bin2hex(random_bytes(32)),
        ];
    }

    /** A random UUID (RFC 9562, version 4). */
    public static function uuid(): string
    {
        $bytes = random_bytes(16);
        $bytes[6] = chr(ord($bytes[6]) & 0x0f | 0x40);
        $bytes[8] = chr(ord($bytes[8]) & 0x3f | 0x80);
        return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex($bytes), 4));
    }

    /** Hands in one activity; what comes back is on the node's disk. */
    public function track(array $activity): array
    {
        return $this->write('activity_track', [$activity]);
    }

    /**
     * Hands in activities of either form, up to 1,000 at a time, and those that the inbox had no room for
     * again, until $patience seconds are over. An answer for each, in their order: an Accepted, or
     * ['error' => ['code' => …, 'message' => …, 'data' => …]].
     */
    public function submitBatch(array $activities, int $patience = 60): array
    {
        $deadline = microtime(true) + $patience;
        $waiting = array_values($activities);
        $answers = [];
        for (;;) {
            foreach (array_chunk($waiting, self::MOST_IN_BATCH, true) as $chunk) {
                $answers = array_combine(array_keys($chunk), $this->write('activity_submitBatch', [array_values($chunk)])) + $answers;
            }
            $full = array_filter($answers, function (array $answer): bool {
                return ($answer['error']['code'] ?? 0) === self::FULL;
            });
            $pauseMs = $full ? max(array_map(function (array $answer): int {
                return $answer['error']['data']['retryAfterMs'];
            }, $full)) : 0;
            if (!$full || microtime(true) + $pauseMs / 1000 > $deadline) {
                ksort($answers);
                return $answers;
            }
            usleep(1000 * $pauseMs);
            $waiting = array_intersect_key($waiting, $full);
        }
    }

    /** Sends a notice that salt and payload of an included activity were destroyed. */
    public function erase(string $activityId): array
    {
        return $this->write('activity_erase', [['activityId' => $activityId]]);
    }

    /** What became of one activity; its `status` says it. */
    public function status(string $activityId): array
    {
        return $this->read('activity_getStatus', [$activityId]);
    }

    /**
     * Completions from number $from on; waits up to $waitMs for the first. Store `next` and give it as
     * $from the next time, e.g. from cron: there are no gaps.
     */
    public function completions(int $from, int $waitMs = 5000, int $limit = 1000): array
    {
        return $this->read('activity_getCompletions', [['from' => $from, 'limit' => $limit, 'waitMs' => $waitMs]]);
    }

    /** How the source is doing: `accepting`, `stopped`, `queued`, … */
    public function queue(): array
    {
        return $this->read('activity_getQueue', []);
    }

    /** The same request again after a pause where the inbox is full or the node did not answer. */
    public function write(string $method, array $params, int $tries = 5)
    {
        for ($pauseMs = 200; ; $pauseMs = min(2 * $pauseMs, 5000)) {
            try {
                return $this->call($this->writeUrl, $method, $params, $this->token());
            } catch (ActivityUnreachable $error) {
                $wait = $pauseMs;
            } catch (ActivityError $error) {
                if ($error->getCode() !== self::FULL) {
                    throw $error;
                }
                $wait = $error->data['retryAfterMs'];
            }
            if (--$tries <= 0) {
                throw $error;
            }
            usleep(1000 * $wait);
        }
    }

    private function read(string $method, array $params)
    {
        return $this->call($this->readUrl, $method, $params, null);
    }

    private function call(string $url, string $method, array $params, ?string $token)
    {
        $headers = ['Content-Type: application/json'];
        if ($token !== null) {
            $headers[] = 'Authorization: Bearer ' . $token;
        }
        $request = ['jsonrpc' => '2.0', 'id' => 1, 'method' => $method, 'params' => $params];
        $curl = curl_init($url);
        curl_setopt_array($curl, [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => json_encode($request, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR),
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => 3,
            CURLOPT_TIMEOUT => $this->timeout,
        ]);
        $text = curl_exec($curl);
        $failure = curl_error($curl);
        curl_close($curl);
        $answer = $text === false ? null : json_decode($text, true);
        if (!is_array($answer)) {
            throw new ActivityUnreachable($failure !== '' ? $failure : 'no JSON-RPC answer');
        }
        if (isset($answer['error'])) {
            $error = $answer['error'];
            throw new ActivityError($error['message'], $error['code'], (array) ($error['data'] ?? []));
        }
        return $answer['result'];
    }
}
